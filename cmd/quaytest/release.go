// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/quayside/quayside/quay/quaytest"
)

// parseRelease parses N[,KEY=VALUE]... It returns a function that makes the dataset, since
// that reads all layers to compute their digests.
func parseRelease(s string) (func() *quaytest.Dataset, error) {
	items := strings.Split(s, ",")
	n, err := strconv.Atoi(items[0])
	if err != nil || n < 1 || n > 100_000 {
		return nil, fmt.Errorf("%q is not a number of images, 100000 at most", items[0])
	}
	var opts quaytest.ReleaseOptions
	token := ""
	texts := map[string]*string{"namespace": &opts.Namespace, "tag": &opts.Tag, "token": &token}
	counts := map[string]*int{"groups": &opts.Groups, "signed": &opts.Signed, "referrers": &opts.Referrers,
		"index": &opts.Index, "private": &opts.Private}
	sizes := map[string]*int64{"base": &opts.Base, "group": &opts.Group, "own": &opts.Own, "arm64": &opts.Arm64}
	for _, item := range items[1:] {
		key, value, _ := strings.Cut(item, "=")
		var err error
		switch {
		case texts[key] != nil:
			*texts[key] = value
		case counts[key] != nil:
			*counts[key], err = strconv.Atoi(value)
		case sizes[key] != nil:
			*sizes[key], err = parseBytes(value)
		default:
			return nil, fmt.Errorf("%q: no such key", item)
		}
		if value == "" || err != nil || counts[key] != nil && *counts[key] < 0 || opts.Private > n {
			return nil, fmt.Errorf("%q: value out of range", item)
		}
	}
	return func() *quaytest.Dataset { return owned(quaytest.Release(n, opts), token) }, nil
}

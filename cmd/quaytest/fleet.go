// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/quayside/quayside/quay/quaytest"
)

// fleetOwner owns the organization of a fleet or release that has a token.
const fleetOwner = "admiral"

// parseFleet parses N[,KEY=VALUE]... It returns a function that makes the dataset, since
// a million repositories take a moment.
func parseFleet(s string) (func() *quaytest.Dataset, error) {
	items := strings.Split(s, ",")
	n, err := strconv.Atoi(items[0])
	if err != nil || n < 1 || n > 10_000_000 {
		return nil, fmt.Errorf("%q is not a number of repositories", items[0])
	}
	var opts quaytest.FleetOptions
	token := ""
	for _, item := range items[1:] {
		key, value, _ := strings.Cut(item, "=")
		count, err := strconv.Atoi(value)
		switch key {
		case "namespace":
			opts.Namespace, err = value, nil
		case "tag":
			opts.Tag, err = value, nil
		case "token":
			token, err = value, nil
		case "every":
			opts.Every = count
		case "no-live-tag":
			opts.NoLiveTag = count
		case "private":
			opts.Private = count
		default:
			return nil, fmt.Errorf("%q: no such key", item)
		}
		if value == "" || err != nil || count < 0 || max(opts.NoLiveTag, opts.Private) > n {
			return nil, fmt.Errorf("%q: value out of range", item)
		}
	}
	return func() *quaytest.Dataset { return owned(quaytest.Fleet(n, opts), token) }, nil
}

// owned adds an owner with a token to the dataset's organization, unless token is "".
func owned(d *quaytest.Dataset, token string) *quaytest.Dataset {
	if token != "" {
		d.Organizations[0].Owners = []string{fleetOwner}
		d.Users = append(d.Users, quaytest.User{Name: fleetOwner, Enabled: true})
		d.Tokens = append(d.Tokens, quaytest.Token{Name: token, User: fleetOwner, Scope: "repo:read"})
	}
	return d
}

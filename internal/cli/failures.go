// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxNamed is how many images are named of those that failed alike.
const maxNamed = 3

// A failure is an image that was not copied.
type failure struct{ reference, destination, why string }

// failures warns of images that failed, those that did for the same reason in
// one line. The report names each of them.
func (t *talk) failures(all []failure) {
	alike := map[string][]failure{}
	var reasons []string // in the order of the images
	for _, f := range all {
		reason := f.reason()
		if alike[reason] == nil {
			reasons = append(reasons, reason)
		}
		alike[reason] = append(alike[reason], f)
	}
	for _, reason := range reasons {
		group := alike[reason]
		if len(group) == 1 {
			t.warn("failed: %s: %s", group[0].reference, group[0].why)
			continue
		}
		if !slices.ContainsFunc(group, func(f failure) bool { return f.why != group[0].why }) {
			reason = group[0].why
		}
		var names []string
		for _, f := range group[:min(len(group), maxNamed)] {
			names = append(names, f.reference)
		}
		more := ""
		if n := len(group) - len(names); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		t.warn("%d images failed: %s%s: %s", len(group), strings.Join(names, ", "), more, reason)
	}
}

// ownPart is what errors of one cause differ in besides names: digests, and our
// own end of a connection.
var ownPart = regexp.MustCompile(`(sha256:)[0-9a-f]{64}|((?:read|write) tcp )\S+?->`)

// reason is why an image failed, less what names it.
func (f failure) reason() string {
	var names []string
	for _, name := range []string{f.reference, f.destination} {
		names = append(names, name)
		at := max(strings.LastIndexByte(name, '/'), 0)
		if end := strings.IndexAny(name[at:], ":@"); end > 0 {
			names = append(names, name[:at+end])
		}
	}
	reason := f.why
	slices.SortFunc(names, func(x, y string) int { return len(y) - len(x) })
	for _, name := range names {
		if name != "" {
			reason = strings.ReplaceAll(reason, name, "...")
		}
	}
	return ownPart.ReplaceAllString(reason, "$1$2...")
}

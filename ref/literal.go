// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"slices"
	"strings"
)

// literal returns the longest text that every match of every alternative contains, or
// "". If several are longest, it returns the first one.
func (a *alternatives) literal() (longest string) {
	all := make([][]string, 0, a.size) // for each alternative: texts that every match contains
	for _, name := range a.names {
		all = append(all, []string{name})
	}
	for _, g := range a.globs {
		all = append(all, g.runs())
	}
	for _, r := range a.ranges {
		all = append(all, r.literals)
	}
	if len(all) == 0 {
		return ""
	}
	// No text is tried that is not longer than the longest so far, so the number of
	// tries is at most twice the length of the first alternative.
	for _, text := range all[0] {
		for start := range text {
			for end := start + len(longest) + 1; end <= len(text) && isShared(all, text[start:end]); end++ {
				longest = text[start:end]
			}
		}
	}
	return longest
}

// isShared reports whether every match of every alternative contains text.
func isShared(all [][]string, text string) bool {
	return !slices.ContainsFunc(all, func(runs []string) bool {
		return !slices.ContainsFunc(runs, func(run string) bool { return strings.Contains(run, text) })
	})
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"unicode/utf8"
)

// gap is how far columns are apart.
const gap = 2

// A shrinking says down to which width a column may be cut. The steps are taken
// in order until the table fits, so names come last.
type shrinking struct {
	heads []string
	least int
}

func shrinkings() []shrinking {
	return []shrinking{
		{[]string{"reason"}, 12},
		{[]string{"started", "expires", "last_modified"}, 11}, // the day, and the ellipsis
		{[]string{"digest"}, 12},
		{[]string{"visibility", "state", "kind"}, 6},
		{[]string{"reason", "started", "expires", "last_modified", "digest", "size", "verdict", "visibility", "state", "kind"}, 4},
		{[]string{"tag"}, 8},
		{[]string{"repository", "image"}, 8},
		{[]string{"repository", "image", "tag"}, 4},
	}
}

// fit makes columns narrower until a table is at most so wide.
func fit(heads []string, widths []int, width int) {
	over := -width - gap
	for _, w := range widths {
		over += w + gap
	}
	for _, s := range shrinkings() {
		for i := len(heads) - 1; i >= 0; i-- {
			if over <= 0 {
				return
			}
			if by := min(over, widths[i]-s.least); by > 0 && slices.Contains(s.heads, heads[i]) {
				widths[i] -= by
				over -= by
			}
		}
	}
}

// Cut makes a text at most so many characters long; the last of them are an
// ellipsis if some were cut.
func Cut(text string, width int, ellipsis string) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes, end := []rune(text), []rune(ellipsis)
	if len(end) >= width {
		return string(runes[:max(width, 0)])
	}
	return string(runes[:width-len(end)]) + ellipsis
}

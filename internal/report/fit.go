// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
)

// names returns the columns that are cut last and never dropped.
func names() []string { return []string{"repository", "image", "tag"} }

// yielding returns the columns that a narrow table drops, in this order. The reason of absent
// and unknown images is dropped last, if there are any.
func yielding(reasons bool) []string {
	list := []string{"expires", "started", "size", "kind", "digest", "last_modified", "state", "visibility"}
	if reasons {
		return append(list, "reason")
	}
	return append([]string{"reason"}, list...)
}

// fit makes a table fit a width: it cuts long columns whose beginning is enough, then drops
// columns that are no names, then cuts names. Columns that
// were cut get the room of dropped columns.
func fit(heads []string, widths []int, width, ellipsis int) {
	full := slices.Clone(widths)
	over := -width - gap
	for _, w := range widths {
		over += w + gap
	}
	cut := func(i, least int) {
		if by := min(over, widths[i]-least); by > 0 {
			widths[i] -= by
			over -= by
		}
	}
	long := []string{"started", "expires", "last_modified", "digest"}
	for _, head := range long {
		if i := slices.Index(heads, head); i >= 0 {
			cut(i, len("2025-04-14")+ellipsis) // the day; or enough of a digest
		}
	}
	at := slices.Index(heads, "reason")
	for _, head := range yielding(at >= 0 && full[at] > len(heads[at])) {
		if i := slices.Index(heads, head); i > 0 && over > 0 {
			over -= widths[i] + gap
			widths[i] = dropped
		}
	}
	slices.Reverse(long)
	for _, head := range long {
		if i := slices.Index(heads, head); i >= 0 && over < 0 && widths[i] != dropped {
			by := min(-over, full[i]-widths[i])
			widths[i] += by
			over += by
		}
	}
	for _, least := range []int{16, 8, 4} {
		for i := range heads {
			if slices.Contains(names(), heads[i]) {
				cut(i, least)
			}
		}
	}
}

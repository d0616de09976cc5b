// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"unicode"
	"unicode/utf8"
)

// like tells whether a name matches a pattern of SQL's ILIKE: % stands for
// any text, _ for any one character, a backslash takes the next character's
// meaning away, and case does not matter. The tag list's filter hands both on
// from the query as they are (doc/quay-api.md section 2, filter_tag_name).
func like(pattern, name string) bool {
	// After a %, try the rest at each place in turn; only the last % need
	// ever be tried again.
	restart, from := -1, 0
	p, n := 0, 0
	for n < len(name) {
		c, size := utf8.DecodeRuneInString(name[n:])
		if p < len(pattern) && pattern[p] == '%' {
			p++
			restart, from = p, n
			continue
		}
		if step, ok := matchOne(pattern[p:], c); ok {
			p += step
			n += size
			continue
		}
		if restart < 0 {
			return false
		}
		_, size = utf8.DecodeRuneInString(name[from:])
		from += size
		p, n = restart, from
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}

// matchOne tells whether a pattern that does not begin with % begins with
// something that stands for c, and how long that is.
func matchOne(pattern string, c rune) (length int, ok bool) {
	if pattern == "" {
		return 0, false
	}
	if pattern[0] == '_' {
		return 1, true
	}
	escape := 0
	if pattern[0] == '\\' && len(pattern) > 1 {
		escape = 1
	}
	want, size := utf8.DecodeRuneInString(pattern[escape:])
	return escape + size, unicode.ToLower(want) == unicode.ToLower(c)
}

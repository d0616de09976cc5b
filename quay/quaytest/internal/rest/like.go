// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"unicode"
	"unicode/utf8"
)

// like reports whether a name matches a pattern of SQL's ILIKE: % matches any text,
// _ matches one character, a backslash escapes the next character, and case does
// not matter. The tag list's filter passes all of them on from the query
// (doc/quay-api.md section 2, filter_tag_name).
func like(pattern, name string) bool {
	// After a %, try the rest of the pattern at each position. Only the last % must be
	// tried again.
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

// matchOne reports whether the first element of a pattern, which is not %, matches c,
// and returns the length of the element.
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"math"
	"strings"
)

// parameters reads a query string as the server does: a name given twice
// counts once, the first time; a broken percent escape stands for itself; no
// query is an error (doc/quay-api.md section 1, "Query parameters").
type parameters string

// text gives a parameter's value, and whether it is there at all. The name is
// one without percent and plus signs.
func (p parameters) text(name string) (value string, given bool) {
	for rest := string(p); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key == name || strings.ContainsAny(key, "%+") && unescape(key) == name {
			return unescape(value), true
		}
	}
	return "", false
}

// flag reads a truth value: every text is true but these, and "no" and
// "off" are too (doc/quay-api.md section 1, "truthy rule").
func (p parameters) flag(name string) bool {
	switch value, _ := p.text(name); value {
	case "", "false", "False", "FALSE", "0", "null":
		return false
	}
	return true
}

// number reads a whole number, and tells when the text is none. Numbers
// beyond an int64 become the nearest one.
func (p parameters) number(name string, otherwise int64) (n int64, ok bool) {
	value, given := p.text(name)
	if !given {
		return otherwise, true
	}
	return wholeNumber(value)
}

// wholeNumber reads a decimal number as Python's int does: blanks around it,
// a sign, and single underscores between digits are allowed.
func wholeNumber(s string) (n int64, ok bool) {
	s = strings.TrimSpace(s)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	digit := false
	for _, b := range []byte(s) {
		if b == '_' && digit {
			digit = false
			continue
		}
		if b < '0' || b > '9' {
			return 0, false
		}
		digit = true
		if d := int64(b - '0'); n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
		} else {
			n = n*10 + d
		}
	}
	if negative {
		n = -n
	}
	return n, digit
}

// unescape undoes percent escapes and turns plus signs into blanks.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, fromHex(s[i+1])<<4|fromHex(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// isHex tells whether c is a hexadecimal digit.
func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// fromHex gives a hexadecimal digit's value.
func fromHex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

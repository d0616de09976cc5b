// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"
	"strings"
)

// A Query is a raw query string, read as Quay reads it: the first of two equal
// names counts, a broken percent escape stands for itself, and no query is an
// error (doc/quay-api.md section 1, "Query parameters").
type Query string

// String returns a parameter's value and reports whether the parameter was
// given. The name must not contain percent or plus signs.
func (q Query) String(name string) (value string, given bool) {
	for rest := string(q); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key == name || strings.ContainsAny(key, "%+") && unescape(key) == name {
			return unescape(value), true
		}
	}
	return "", false
}

// Bool returns a truth value. Every other text is true, "no" and "off" included
// (doc/quay-api.md section 1, "truthy rule").
func (q Query) Bool(name string) bool {
	switch value, _ := q.String(name); value {
	case "", "false", "False", "FALSE", "0", "null":
		return false
	}
	return true
}

// Int returns a whole number, or absent if the parameter was not given. It
// reports false if the text is not a number. Numbers beyond an int64 become the
// nearest int64.
func (q Query) Int(name string, absent int64) (n int64, ok bool) {
	value, given := q.String(name)
	if !given {
		return absent, true
	}
	return parseInt(value)
}

// parseInt parses a decimal number as Python's int does: blanks around it, a
// sign, and single underscores between digits are allowed.
func parseInt(s string) (n int64, ok bool) {
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

// unescape decodes percent escapes and turns plus signs into blanks.
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

// isHex reports whether c is a hexadecimal digit.
func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// fromHex returns a hexadecimal digit's value.
func fromHex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

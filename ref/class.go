// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// class reads "[abc]", "[a-z]" and "[!a-z]" or "[^a-z]". It gives the same class
// in one form: "!" for the negation and a literal "-" first, where no reader
// takes it for a range.
func (sp *speller) class() ([]string, *SyntaxError) {
	open := sp.i
	sp.i++
	out := "["
	if sp.i < len(sp.s) && (sp.s[sp.i] == '!' || sp.s[sp.i] == '^') {
		out += "!"
		sp.i++
	}
	if !strings.Contains(sp.s[sp.i:], "]") {
		return nil, fail(open, `%s: "[" is not closed`, sp.kind)
	}
	// There is a "]", so that the loop ends there or at an error.
	dash, members := "", ""
	for first := sp.i; ; {
		switch c := sp.s[sp.i]; {
		case c == ']' && sp.i == first:
			return nil, fail(sp.i, "%s: a class holds one character or more: [a-z]", sp.kind)
		case c == ']':
			sp.i++
			return []string{out + dash + members + "]"}, nil
		case c == '-' && (sp.i == first || sp.next(1) == ']'):
			dash = "-"
			sp.i++
		case !sp.kind.holds(c) || c == '-':
			return nil, sp.refuseMember()
		case sp.next(1) == '-' && sp.next(2) != ']':
			high := sp.next(2)
			if !sameRange(c, high) {
				return nil, fail(sp.i, "%s: a range runs upwards between two letters of one case "+
					"or two digits: [a-z] [0-9]", sp.kind)
			}
			members += string(c) + "-" + string(high)
			sp.i += 3
		default:
			members += string(c)
			sp.i++
		}
	}
}

// next gives the byte n after the current one, or 0 beyond the end.
func (sp *speller) next(n int) byte {
	if sp.i+n < len(sp.s) {
		return sp.s[sp.i+n]
	}
	return 0
}

// refuseMember says that the character at sp.i cannot stand in a class.
func (sp *speller) refuseMember() *SyntaxError {
	switch sp.s[sp.i] {
	case ',':
		return fail(sp.i, "%s: a class lists characters without commas: [ab]; words go into braces: {a,b}", sp.kind)
	case '-':
		return fail(sp.i, `%s: "-" stands first or last in a class, or between two characters`, sp.kind)
	}
	if strings.IndexByte("*?[]{}!^/ ", sp.s[sp.i]) >= 0 {
		return fail(sp.i, "%s: %q cannot stand in a class", sp.kind, sp.s[sp.i])
	}
	return sp.kind.refuse(sp.s, sp.i)
}

// sameRange tells whether low to high is a range that means what it looks like.
func sameRange(low, high byte) bool {
	both := func(is func(byte) bool) bool { return is(low) && is(high) }
	return low <= high && (both(isLower) || both(isUpper) || both(isDigit))
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// class reads "[abc]", "[a-z]" and "[!a-z]" or "[^a-z]". It returns the class in
// canonical form: "!" for a negation, and a literal "-" first, where it cannot be
// part of a range.
func (p *parser) class() ([]string, *SyntaxError) {
	open := p.i
	p.i++
	out := "["
	if p.i < len(p.s) && (p.s[p.i] == '!' || p.s[p.i] == '^') {
		out += "!"
		p.i++
	}
	if !strings.Contains(p.s[p.i:], "]") {
		return nil, fail(open, `%s: "[" is not closed`, p.kind)
	}
	// The loop ends at the "]" or at an error.
	dash, members := "", ""
	for first := p.i; ; {
		switch c := p.s[p.i]; {
		case c == ']' && p.i == first:
			return nil, fail(p.i, "%s: a class needs at least one character: [a-z]", p.kind)
		case c == ']':
			p.i++
			return []string{out + dash + members + "]"}, nil
		case c == '-' && (p.i == first || p.next(1) == ']'):
			dash = "-"
			p.i++
		case !p.kind.holds(c) || c == '-':
			return nil, p.refuseMember()
		case p.next(1) == '-' && p.next(2) != ']':
			high := p.next(2)
			if !sameRange(c, high) {
				return nil, fail(p.i, "%s: a range goes up between two letters of one case "+
					"or two digits: [a-z] [0-9]", p.kind)
			}
			members += string(c) + "-" + string(high)
			p.i += 3
		default:
			members += string(c)
			p.i++
		}
	}
}

// next returns the byte n bytes after the current byte, or 0 beyond the end.
func (p *parser) next(n int) byte {
	if p.i+n < len(p.s) {
		return p.s[p.i+n]
	}
	return 0
}

// refuseMember returns the error for the character at p.i, which is not allowed in a class.
func (p *parser) refuseMember() *SyntaxError {
	switch p.s[p.i] {
	case ',':
		return fail(p.i, "%s: a class has no commas: write [ab]; use braces for words: {a,b}", p.kind)
	case '-':
		return fail(p.i, `%s: "-" is allowed first or last in a class, or between two characters`, p.kind)
	}
	if strings.IndexByte("*?[]{}!^/ ", p.s[p.i]) >= 0 {
		return fail(p.i, "%s: %q is not allowed in a class", p.kind, p.s[p.i])
	}
	return p.kind.refuse(p.s, p.i)
}

// sameRange reports whether low to high is a range within one kind of characters.
func sameRange(low, high byte) bool {
	both := func(is func(byte) bool) bool { return is(low) && is(high) }
	return low <= high && (both(isLower) || both(isUpper) || both(isDigit))
}

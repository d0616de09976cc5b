// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// Limits that bound the time and memory that any input costs.
const (
	maxInput        = 16 << 10 // bytes of a pattern, a list or a reference
	maxAlternatives = 1024     // names, globs and ranges of a list, with braces expanded
	maxGlob         = 512      // bytes of one alternative
	maxDepth        = 8        // braces within braces
)

// expandBraces parses one glob or name and returns its alternatives: ab and ac for
// a{b,c}. An alternative holds "*", "**", "?" and classes, each class with its "-"
// first, and its literal text is part of a valid name of this kind.
func expandBraces(k kind, s string) ([]string, *SyntaxError) {
	p := parser{kind: k, s: s}
	sources, err := p.sequence(0)
	if err != nil {
		return nil, err
	}
	// Check names only now: braces may bring two slashes together.
	for _, source := range sources {
		err := checkShape(k, source)
		if err != nil && source != s {
			// The error has no offset in s: braces made this text.
			err = fail(0, "%s (in the alternative %q)", err.Msg, source)
		}
		if err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// checkShape returns an error if no name can match: a segment is empty or begins
// with a wrong character.
func checkShape(k kind, source string) *SyntaxError {
	if !isGlob(source) {
		return k.check(source)
	}
	at := 0
	for _, segment := range strings.Split(source, "/") {
		switch {
		case segment == "":
			return fail(at, "%s: a part is missing before or after the slash", k)
		case k.holds(segment[0]) && !k.begins(segment[0]):
			return k.refuseStart(source, at)
		}
		at += len(segment) + len("/")
	}
	return nil
}

// A parser reads a glob from left to right.
type parser struct {
	kind kind
	s    string
	i    int
}

// sequence reads to the end or, inside braces, to "," or "}". It combines the
// alternatives so far with each alternative of the next element. It checks their
// number first.
func (p *parser) sequence(depth int) ([]string, *SyntaxError) {
	out := []string{""}
	for p.i < len(p.s) {
		var next []string
		var err *SyntaxError
		start := p.i
		switch c := p.s[p.i]; {
		case depth > 0 && (c == ',' || c == '}'):
			return out, nil
		case c == '{':
			next, err = p.braces(depth + 1)
		case c == '[':
			next, err = p.class()
		case c == '*':
			for p.i < len(p.s) && p.s[p.i] == '*' {
				p.i++
			}
			next = []string{strings.Repeat("*", min(p.i-start, 2))}
		case c == '?':
			p.i++
			next = []string{"?"}
		default:
			next, err = p.literal()
		}
		if err != nil {
			return nil, err
		}
		if len(out)*len(next) > maxAlternatives {
			return nil, tooMany(p.kind, start)
		}
		out = join(out, next)
		for _, source := range out {
			if len(source) > maxGlob {
				return nil, fail(start, "%s: a glob is longer than %d characters", p.kind, maxGlob)
			}
		}
	}
	return out, nil
}

// literal reads a run of ordinary characters.
func (p *parser) literal() ([]string, *SyntaxError) {
	start := p.i
	for p.i < len(p.s) && strings.IndexByte("*?[{,}", p.s[p.i]) < 0 {
		if c := p.s[p.i]; !p.kind.holds(c) && !(c == '/' && p.kind == repositoryName) {
			return nil, p.refuse()
		}
		p.i++
	}
	if p.i == start {
		return nil, fail(p.i, "%s: %q has no counterpart before it", p.kind, p.s[p.i])
	}
	return []string{p.s[start:p.i]}, nil
}

// refuse returns the error for the character at p.i, which is not allowed there.
func (p *parser) refuse() *SyntaxError {
	switch p.s[p.i] {
	case ']':
		return fail(p.i, `%s: "]" has no counterpart before it`, p.kind)
	case '!':
		return fail(p.i, `%s: "!" is allowed before a whole item, to exclude it, or first in [...]`, p.kind)
	case ' ', '<', '>', '=', '~', '^':
		if p.kind == tagName {
			return fail(p.i, "tag: %q is allowed only in a version range, which begins with "+
				`one of >= > <= < = ~ ^`, p.s[p.i])
		}
	}
	return p.kind.refuse(p.s, p.i)
}

// braces reads "{a,b}". It refuses a single alternative, which is most likely
// meant as the shell's "{1..9}".
func (p *parser) braces(depth int) ([]string, *SyntaxError) {
	open := p.i
	switch {
	case !strings.Contains(p.s[open:], "}"):
		return nil, p.unclosed(open)
	case depth > maxDepth:
		return nil, fail(open, "%s: braces are nested more than %d deep", p.kind, maxDepth)
	}
	var out []string
	for commas := 0; ; commas++ {
		p.i++
		next, err := p.sequence(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, next...)
		switch {
		case len(out) > maxAlternatives:
			return nil, tooMany(p.kind, open)
		case p.i == len(p.s):
			return nil, p.unclosed(open)
		case p.s[p.i] == ',':
			continue
		case commas == 0:
			return nil, fail(open, "%s: braces need two alternatives or more: {a,b}", p.kind)
		}
		p.i++
		return out, nil
	}
}

func (p *parser) unclosed(open int) *SyntaxError {
	return fail(open, `%s: "{" is not closed`, p.kind)
}

func tooMany(k kind, at int) *SyntaxError {
	return fail(at, "%s: more than %d alternatives", k, maxAlternatives)
}

// join returns every a followed by every b.
func join(a, b []string) []string {
	out := make([]string, 0, len(a)*len(b))
	for _, head := range a {
		for _, tail := range b {
			out = append(out, head+tail)
		}
	}
	return out
}

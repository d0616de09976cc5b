// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// Bounds on what is read, so that no input costs much time or memory.
const (
	maxInput        = 16 << 10 // bytes of a pattern, a list or a reference
	maxAlternatives = 1024     // names, forms of globs, and ranges of a list, braces spelt out
	maxGlob         = 512      // bytes of one alternative
	maxInner        = 6        // "**" inside the names of one alternative; each doubles its forms
	maxDepth        = 8        // braces within braces
)

// spellOut reads one glob, or one plain name, and gives its alternatives
// without braces: a{b,c} is ab and ac. They hold "*", "**", "?" and classes,
// each class with its "-" first. Every alternative is one that a name of this
// kind can match, as far as its literal text tells.
func spellOut(k kind, s string) ([]string, *SyntaxError) {
	sp := speller{kind: k, s: s}
	sources, err := sp.sequence(0)
	if err != nil {
		return nil, err
	}
	// Only now can names be checked, for braces may bring a slash to another.
	for _, source := range sources {
		err := checkShape(k, source)
		if err != nil && source != s {
			// The fault is in a text that braces made: it has no place in s.
			err = fail(0, "%s (in the alternative %q)", err.Msg, source)
		}
		if err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// checkShape finds what no name can match: segments that are empty or begin
// with a wrong character.
func checkShape(k kind, source string) *SyntaxError {
	if !isGlob(source) {
		return k.check(source)
	}
	at := 0
	for _, segment := range strings.Split(source, "/") {
		switch {
		case segment == "":
			return fail(at, "%s: nothing stands before or after the slash", k)
		case k.holds(segment[0]) && !k.begins(segment[0]):
			return k.refuseStart(source, at)
		}
		at += len(segment) + len("/")
	}
	return nil
}

// speller reads a glob from left to right.
type speller struct {
	kind kind
	s    string
	i    int
}

// sequence reads up to the end, or inside braces up to "," or "}". It keeps the
// alternatives of what it has read so far, and continues every one of them with
// every alternative of the next element. Their number is checked before they
// are made.
func (sp *speller) sequence(depth int) ([]string, *SyntaxError) {
	out := []string{""}
	for sp.i < len(sp.s) {
		var next []string
		var err *SyntaxError
		start := sp.i
		switch c := sp.s[sp.i]; {
		case depth > 0 && (c == ',' || c == '}'):
			return out, nil
		case c == '{':
			next, err = sp.braces(depth + 1)
		case c == '[':
			next, err = sp.class()
		case c == '*':
			for sp.i < len(sp.s) && sp.s[sp.i] == '*' {
				sp.i++
			}
			next = []string{strings.Repeat("*", min(sp.i-start, 2))}
		case c == '?':
			sp.i++
			next = []string{"?"}
		default:
			next, err = sp.literal()
		}
		if err != nil {
			return nil, err
		}
		if len(out)*len(next) > maxAlternatives {
			return nil, tooMany(sp.kind, start)
		}
		out = join(out, next)
		for _, source := range out {
			if len(source) > maxGlob {
				return nil, fail(start, "%s: a glob is longer than %d characters", sp.kind, maxGlob)
			}
		}
	}
	return out, nil
}

// literal reads the run of characters that stand for themselves.
func (sp *speller) literal() ([]string, *SyntaxError) {
	start := sp.i
	for sp.i < len(sp.s) && strings.IndexByte("*?[{,}", sp.s[sp.i]) < 0 {
		if c := sp.s[sp.i]; !sp.kind.holds(c) && !(c == '/' && sp.kind == repositoryName) {
			return nil, sp.refuse()
		}
		sp.i++
	}
	if sp.i == start {
		return nil, fail(sp.i, "%s: %q closes nothing", sp.kind, sp.s[sp.i])
	}
	return []string{sp.s[start:sp.i]}, nil
}

// refuse says that the character at sp.i cannot stand there.
func (sp *speller) refuse() *SyntaxError {
	switch sp.s[sp.i] {
	case ']':
		return fail(sp.i, `%s: "]" closes nothing`, sp.kind)
	case '!':
		return fail(sp.i, `%s: "!" stands before a whole pattern, to exclude it, or first in [...]`, sp.kind)
	case ' ', '<', '>', '=', '~', '^':
		if sp.kind == tagName {
			return fail(sp.i, "tag: %q stands in a version range only, and a range begins with "+
				`one of >= > <= < = ~ ^`, sp.s[sp.i])
		}
	}
	return sp.kind.refuse(sp.s, sp.i)
}

// braces reads "{a,b}". A single alternative is refused: it is most likely
// meant as the shell's "{1..9}", which does not exist here.
func (sp *speller) braces(depth int) ([]string, *SyntaxError) {
	open := sp.i
	switch {
	case !strings.Contains(sp.s[open:], "}"):
		return nil, sp.unclosed(open)
	case depth > maxDepth:
		return nil, fail(open, "%s: braces within braces are more than %d deep", sp.kind, maxDepth)
	}
	var out []string
	for commas := 0; ; commas++ {
		sp.i++
		next, err := sp.sequence(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, next...)
		switch {
		case len(out) > maxAlternatives:
			return nil, tooMany(sp.kind, open)
		case sp.i == len(sp.s):
			return nil, sp.unclosed(open)
		case sp.s[sp.i] == ',':
			continue
		case commas == 0:
			return nil, fail(open, "%s: braces hold two alternatives or more: {a,b}", sp.kind)
		}
		sp.i++
		return out, nil
	}
}

func (sp *speller) unclosed(open int) *SyntaxError {
	return fail(open, `%s: "{" is not closed`, sp.kind)
}

func tooMany(k kind, at int) *SyntaxError {
	return fail(at, "%s: more than %d alternatives", k, maxAlternatives)
}

// join gives every a followed by every b.
func join(a, b []string) []string {
	out := make([]string, 0, len(a)*len(b))
	for _, head := range a {
		for _, tail := range b {
			out = append(out, head+tail)
		}
	}
	return out
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// A glob is one alternative of a list, without braces.
type glob struct {
	source   string
	elements []element
}

// An element matches a part of a name.
type element struct {
	kind elementKind
	text string // of a character; or the members of a class, with "!" if it is negated
}

type elementKind byte

const (
	character elementKind = iota
	class
	one    // character but "/"
	any1   // character
	run    // of characters but "/", may be empty
	anyRun // of characters, may be empty
	// folders is before anyRun and "/", and may skip both.
	folders
)

func newGlob(source string) glob {
	for strings.Contains(source, "***") { // braces may bring stars together
		source = strings.ReplaceAll(source, "***", "**")
	}
	g := glob{source: source}
	add := func(kind elementKind, text string) { g.elements = append(g.elements, element{kind, text}) }
	for i := 0; i < len(source); {
		rest := source[i:]
		length := 1
		switch starts := i == 0 || source[i-1] == '/'; {
		case starts && strings.HasPrefix(rest, "**/"): // zero or more segments
			add(folders, "")
			add(anyRun, "")
			length = len("**") // "/" follows
		case starts && rest == "**": // one or more segments
			add(any1, "")
			add(anyRun, "")
			length = len("**")
		case strings.HasPrefix(rest, "**"):
			add(anyRun, "")
			length = len("**")
		case rest[0] == '*':
			add(run, "")
		case rest[0] == '?':
			add(one, "")
		case rest[0] == '[':
			length = strings.IndexByte(rest, ']') + 1
			add(class, rest[1:length-1])
		default:
			add(character, rest[:1])
		}
		i += length
	}
	return g
}

// states is the set of the numbers of elements that can match the name so far.
type states struct {
	has     [maxGlob + 1]bool
	highest int // in the set; -1 if it is empty
}

func (s *states) add(n int) {
	s.has[n] = true
	s.highest = max(s.highest, n)
}

func (s *states) clear() {
	clear(s.has[:s.highest+1])
	s.highest = -1
}

// match reports whether the glob matches the whole name. With across, "*", "?" and
// negated classes also match slashes. It takes time proportional to the length of the
// glob times that of the name at most, because it follows all possible matches at once.
func (g glob) match(name string, across bool) bool {
	now, next := &states{}, &states{highest: -1}
	now.add(0)
	for _, c := range name {
		next.clear()
		for n := 0; n <= now.highest && n < len(g.elements); n++ {
			if !now.has[n] {
				continue
			}
			g.skip(n, across, now)
			switch e := g.elements[n]; {
			case !e.matches(c, across):
			case e.kind == run || e.kind == anyRun:
				next.add(n)
			default:
				next.add(n + 1)
			}
		}
		now, next = next, now
	}
	for n := 0; n <= now.highest && n < len(g.elements); n++ {
		if now.has[n] {
			g.skip(n, across, now)
		}
	}
	return now.has[len(g.elements)]
}

// skip adds to now what comes after element n if the element can match nothing.
func (g glob) skip(n int, across bool, now *states) {
	switch g.elements[n].kind {
	case run, anyRun:
		now.add(n + 1)
	case folders:
		now.add(n + 1)
		if !across {
			now.add(n + 3)
		}
	}
}

// matches reports whether c can be the character, or one of the run, of the element.
func (e element) matches(c rune, across bool) bool {
	switch e.kind {
	case character:
		return c == rune(e.text[0])
	case class:
		members, negated := strings.CutPrefix(e.text, "!")
		if negated {
			return (c != '/' || across) && !isMember(members, c)
		}
		return isMember(members, c)
	case one, run:
		return c != '/' || across
	case any1, anyRun:
		return true
	}
	return false
}

// isMember reports whether a class has c. A literal "-" is its first member.
func isMember(members string, c rune) bool {
	for i := 0; i < len(members); i++ {
		low, high := rune(members[i]), rune(members[i])
		if i+2 < len(members) && members[i+1] == '-' {
			high = rune(members[i+2])
			i += 2
		}
		if low <= c && c <= high {
			return true
		}
	}
	return false
}

// runs returns the literal texts that every match contains.
func (g glob) runs() []string {
	var runs []string
	inClass := false
	start := 0
	end := func(i int) {
		if i > start && !inClass {
			runs = append(runs, g.source[start:i])
		}
		start = i + 1
	}
	for i, c := range g.source {
		switch c {
		case '*', '?':
			end(i)
		case '[':
			end(i)
			inClass = true
		case ']':
			end(i)
			inClass = false
		}
	}
	end(len(g.source))
	return runs
}

// isGlob reports whether an alternative has wildcards.
func isGlob(source string) bool { return strings.ContainsAny(source, "*?[") }

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"slices"
	"strings"
)

// A list is a list of names, globs and version ranges, separated by commas. It
// selects a name if an item without "!" matches and no item with "!" does. A
// list of exclusions alone begins with "*".
type list struct {
	text             string // canonical; parses to the same list
	include, exclude alternatives
}

// parseList reads a list for names of one kind.
func parseList(k kind, s string) (list, *SyntaxError) {
	if len(s) > maxInput {
		return list{}, fail(maxInput, "%s: longer than %d characters", k, maxInput)
	}
	var l list
	var canonical []string
	for _, it := range splitList(s) {
		into, body, at := &l.include, it.text, it.at
		if rest, excluded := strings.CutPrefix(body, "!"); excluded {
			into, body, at = &l.exclude, rest, at+len("!")
		}
		text, err := into.add(k, body)
		if err != nil {
			return list{}, err.shift(at)
		}
		if l.include.size+l.exclude.size > maxAlternatives {
			return list{}, tooMany(k, it.at)
		}
		canonical = append(canonical, s[it.at:at]+text)
	}
	l.text = strings.Join(canonical, ",")
	if err := l.checkUnion(); err != nil {
		return list{}, err
	}
	if l.include.size == 0 {
		if _, err := l.include.add(k, "*"); err != nil {
			return list{}, err
		}
	}
	// Callers ask for exact names one by one, so drop those that are excluded.
	if l.include.namesOnly() {
		l.include.names = slices.DeleteFunc(l.include.names, l.exclude.match)
		if len(l.include.names) == 0 {
			return list{}, fail(0, "%s: the list excludes every name in it", k)
		}
	}
	return l, nil
}

// literals returns the exact names among the items that are not excluded.
func (l *list) literals() []string {
	return slices.DeleteFunc(slices.Clone(l.include.names), l.exclude.match)
}

// match reports whether the list selects name.
func (l *list) match(name string) bool {
	return l.include.match(name) && !l.exclude.match(name)
}

// alternatives are the items of a list, with or without "!", with braces expanded.
type alternatives struct {
	names  []string // in the order of the text, each once
	known  map[string]bool
	globs  []glob
	ranges []versionRange
	size   int // names, globs and ranges
}

// add parses one item without its "!" and returns its canonical text.
func (a *alternatives) add(k kind, s string) (string, *SyntaxError) {
	if s == "" {
		return "", fail(0, "%s: an item is missing beside the comma", k)
	}
	if k == tagName && startsRange(s) {
		r, err := parseRange(s)
		if err != nil {
			return "", err
		}
		a.ranges = append(a.ranges, r)
		a.size++
		return r.text, nil
	}
	sources, err := expandBraces(k, s)
	if err != nil {
		return "", err
	}
	for _, source := range sources {
		if isGlob(source) {
			a.globs = append(a.globs, newGlob(source))
			a.size++
			continue
		}
		if a.known == nil {
			a.known = make(map[string]bool)
		}
		if !a.known[source] {
			a.known[source] = true
			a.names = append(a.names, source)
			a.size++
		}
	}
	return s, nil
}

func (a *alternatives) globMatches(name string, across bool) bool {
	return slices.ContainsFunc(a.globs, func(g glob) bool { return g.match(name, across) })
}

// namesOnly reports whether all alternatives are exact names.
func (a *alternatives) namesOnly() bool { return len(a.globs) == 0 && len(a.ranges) == 0 }

// match reports whether one of the alternatives matches the whole name.
func (a *alternatives) match(name string) bool {
	if a.known[name] {
		return true
	}
	if a.globMatches(name, false) {
		return true
	}
	if len(a.ranges) == 0 {
		return false
	}
	v, ok := parseVersion(name)
	return ok && slices.ContainsFunc(a.ranges, func(r versionRange) bool { return r.match(v) })
}

// matchAcross is match with wildcards that also match slashes.
func (a *alternatives) matchAcross(name string) bool {
	return a.match(name) || a.globMatches(name, true)
}

// An item is one entry of a list, without the spaces around it.
type item struct {
	text string
	at   int // offset in the list
}

// splitList cuts at the commas outside braces and classes.
func splitList(s string) []item {
	var items []item
	start := 0
	cut := func(end int) {
		text := strings.TrimLeft(s[start:end], " ")
		items = append(items, item{text: strings.TrimRight(text, " "), at: end - len(text)})
		start = end + 1
	}
	outside(s, func(i int) bool {
		if s[i] == ',' {
			cut(i)
		}
		return true
	})
	cut(len(s))
	return items
}

// outside calls yield with the offset of every byte outside braces and classes,
// until yield returns false. Braces that do not match hide the rest of s, which
// is an error later.
func outside(s string, yield func(i int) bool) {
	depth, inClass := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case inClass:
			inClass = c != ']'
		case c == '[':
			inClass = true
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0:
			if !yield(i) {
				return
			}
		}
	}
}

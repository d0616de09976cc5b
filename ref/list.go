// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"slices"
	"strings"
)

// list is a list of names, globs and version ranges, parted by commas. A name
// matches when an item without "!" matches it and none with "!" does. A list
// of exclusions alone begins with "*".
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
		// An exclusion is an item like any other, on the other side.
		into, body, at := &l.include, it.text, it.at
		if rest, excluded := strings.CutPrefix(body, "!"); excluded {
			into, body, at = &l.exclude, rest, at+len("!")
		}
		text, err := into.add(k, body)
		if err != nil {
			return list{}, err.moved(at)
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
	// Exact names are asked for one by one, so those excluded are dropped.
	if l.include.namesOnly() {
		l.include.names = slices.DeleteFunc(l.include.names, l.exclude.match)
		if len(l.include.names) == 0 {
			return list{}, fail(0, "%s: every name in the list is excluded again", k)
		}
	}
	return l, nil
}

// literals gives the exact names among the items, less those that are excluded.
func (l *list) literals() []string {
	return slices.DeleteFunc(slices.Clone(l.include.names), l.exclude.match)
}

// match tells whether the list takes name.
func (l *list) match(name string) bool {
	return l.include.match(name) && !l.exclude.match(name)
}

// alternatives is one side of a list, its braces spelt out.
type alternatives struct {
	names  []string // in the order of the text, each once
	known  map[string]bool
	globs  []glob
	ranges []versionRange
	size   int // names, forms of globs, and ranges
}

// add reads one item without its "!", and gives its canonical text.
func (a *alternatives) add(k kind, s string) (string, *SyntaxError) {
	if s == "" {
		return "", fail(0, "%s: a pattern is missing; commas part patterns", k)
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
	sources, err := spellOut(k, s)
	if err != nil {
		return "", err
	}
	for _, source := range sources {
		if isGlob(source) {
			g, err := newGlob(k, source)
			if err != nil {
				return "", err
			}
			a.globs = append(a.globs, g)
			if a.size += len(g.forms); a.size > maxAlternatives {
				return "", tooMany(k, 0)
			}
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

// namesOnly tells whether nothing but exact names can match.
func (a *alternatives) namesOnly() bool { return len(a.globs) == 0 && len(a.ranges) == 0 }

// match tells whether one of the alternatives matches the whole name.
func (a *alternatives) match(name string) bool {
	if a.known[name] {
		return true
	}
	for _, g := range a.globs {
		if g.match(name) {
			return true
		}
	}
	if len(a.ranges) == 0 {
		return false
	}
	// The name is read once, however many ranges there are.
	v, ok := parseVersion(name)
	return ok && slices.ContainsFunc(a.ranges, func(r versionRange) bool { return r.match(v) })
}

// matchAcross is match with wildcards that match slashes too.
func (a *alternatives) matchAcross(name string) bool {
	return a.match(name) ||
		slices.ContainsFunc(a.globs, func(g glob) bool { return g.matchAcross(name) })
}

// item is one entry of a list, without the spaces around it.
type item struct {
	text string
	at   int // where it begins
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

// outside calls yield with the place of every byte outside braces and classes,
// until it returns false. Braces that do not match hide the rest of s; it will
// be refused for them anyway.
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

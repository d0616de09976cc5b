// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// glob is one alternative of a pattern, its braces spelt out. A match takes
// at most some length(glob) times length(name) steps for each of its forms.
type glob struct {
	source string   // as spellOut gives it
	forms  []string // what doublestar is asked; a name matches one of them
	across string   // with slashes as ordinary characters, so that "*" crosses
}

// acrossSlash stands for the slash in glob.across.
const acrossSlash = "\x01"

// newGlob prepares one alternative. To the doublestar library "**" is special
// only as a whole segment, "a/**" matches "a" too, and "[!b]" matches a slash.
// Here "**" stands for any run of characters wherever it is, "a/**" matches
// only what is below "a", and only "**" and "/" itself match a slash.
func newGlob(k kind, source string) (glob, *SyntaxError) {
	for strings.Contains(source, "***") { // braces may bring stars together
		source = strings.ReplaceAll(source, "***", "**")
	}
	crossing := strings.ReplaceAll(source, "**", "*")
	g := glob{source: source, across: strings.ReplaceAll(crossing, "/", acrossSlash)}
	if k != repositoryName {
		g.forms = []string{crossing} // no slash, so "**" is no more than "*"
		return g, nil
	}
	segments := strings.Split(source, "/")
	inner := 0
	for _, segment := range segments {
		if segment != "**" {
			inner += strings.Count(segment, "**")
		}
	}
	if inner > maxInner {
		return glob{}, fail(0, `%s: more than %d times "**" inside names`, k, maxInner)
	}
	g.forms = []string{""}
	for i, segment := range segments {
		if i > 0 {
			g.forms = join(g.forms, []string{"/"})
		}
		g.forms = join(g.forms, segmentForms(segment, i == len(segments)-1))
	}
	for i, form := range g.forms {
		g.forms[i] = guardClasses(form)
	}
	return g, nil
}

// segmentForms says the same as a segment in words of the doublestar library.
// Inside a name "**" is either a run within the segment, or one that ends the
// segment and begins another, with any number between: a**b is a*b or a*/**/*b.
func segmentForms(segment string, last bool) []string {
	if segment == "**" {
		if last {
			return []string{"**/*"} // one segment or more
		}
		return []string{"**"} // with the slash after it, no segment or more
	}
	parts := strings.Split(segment, "**")
	forms := parts[:1]
	for _, part := range parts[1:] {
		forms = join(forms, []string{"*" + part, "*/**/*" + part})
	}
	return forms
}

// guardClasses adds the slash to every negated class, so that it matches none.
func guardClasses(form string) string {
	var b strings.Builder
	for {
		before, class, found := strings.Cut(form, "[!")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		members, rest, _ := strings.Cut(class, "]")
		b.WriteString("[!" + members + "/]")
		form = rest
	}
}

// match tells whether the whole name matches.
func (g glob) match(name string) bool {
	for _, form := range g.forms {
		if doublestar.MatchUnvalidated(form, name) {
			return true
		}
	}
	return false
}

// matchAcross tells whether the name would match if "*", "?" and "[!a]" matched
// slashes too.
func (g glob) matchAcross(name string) bool {
	return doublestar.MatchUnvalidated(g.across, strings.ReplaceAll(name, "/", acrossSlash))
}

// runs gives the stretches of literal text that every match contains.
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

// isGlob tells an alternative with wildcards from a plain name.
func isGlob(source string) bool { return strings.ContainsAny(source, "*?[") }

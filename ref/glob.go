// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// A glob is one alternative of a pattern, with braces expanded. A match takes
// about length(glob) times length(name) steps at most for each form.
type glob struct {
	source string   // from expandBraces
	forms  []string // for doublestar; a name matches if one form does
	across string   // with acrossSlash for "/", so that "*" crosses segments
}

// acrossSlash replaces the slash in glob.across.
const acrossSlash = "\x01"

// newGlob translates one alternative for the doublestar library. In doublestar,
// "**" is special only as a whole segment, "a/**" also matches "a", and "[!b]"
// matches a slash. Here, "**" matches any run of characters anywhere, "a/**"
// matches only what is below "a", and only "**" and "/" match a slash.
func newGlob(k kind, source string) (glob, *SyntaxError) {
	for strings.Contains(source, "***") { // braces may bring stars together
		source = strings.ReplaceAll(source, "***", "**")
	}
	crossing := strings.ReplaceAll(source, "**", "*")
	g := glob{source: source, across: strings.ReplaceAll(crossing, "/", acrossSlash)}
	if k != repositoryName {
		g.forms = []string{crossing} // tags have no slash
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
		return glob{}, fail(0, `%s: "**" occurs inside names more than %d times`, k, maxInner)
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

// segmentForms translates a segment. Inside a name, "**" either stays within the
// segment or spans segments: a**b is a*b or a*/**/*b.
func segmentForms(segment string, last bool) []string {
	if segment == "**" {
		if last {
			return []string{"**/*"} // one or more segments
		}
		return []string{"**"} // with the slash after it, zero or more segments
	}
	parts := strings.Split(segment, "**")
	forms := parts[:1]
	for _, part := range parts[1:] {
		forms = join(forms, []string{"*" + part, "*/**/*" + part})
	}
	return forms
}

// guardClasses adds the slash to every negated class, so that the class does not match it.
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

// match reports whether the whole name matches.
func (g glob) match(name string) bool {
	for _, form := range g.forms {
		if doublestar.MatchUnvalidated(form, name) {
			return true
		}
	}
	return false
}

// matchAcross reports whether the name would match if "*", "?" and "[!a]" also
// matched slashes.
func (g glob) matchAcross(name string) bool {
	return doublestar.MatchUnvalidated(g.across, strings.ReplaceAll(name, "/", acrossSlash))
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "slices"

// Tags says which tags are meant: a list of names, globs and version ranges,
// with "!" before those to leave out. The zero value is the default, the tag
// "latest". Immutable; safe for concurrent use.
type Tags struct {
	list    list
	literal string // what Literal gives
}

// defaultTag stands for a pattern or a reference that names no tag.
const defaultTag = "latest"

// ParseTags reads such a list: "2025.1", "2025.1-*", "~2025.1",
// ">=4.12 <4.15", "v{1,2}.*,!*-rc*". The package comment has the rules. The
// error is a *SyntaxError.
func ParseTags(s string) (Tags, error) {
	t, err := parseTags(s)
	if err != nil {
		return Tags{}, err.in(s)
	}
	return t, nil
}

func parseTags(s string) (Tags, *SyntaxError) {
	l, err := parseList(tagName, s)
	if err != nil {
		return Tags{}, err
	}
	return Tags{list: l, literal: l.include.literal()}, nil
}

// Match tells whether the tag is meant. Case matters.
func (t Tags) Match(tag string) bool {
	if len(tag) > tagName.max() {
		return false // no tag; and the time to match stays bounded
	}
	if t.list.text == "" {
		return tag == defaultTag
	}
	return t.list.match(tag)
}

// Exact gives the tags that are meant, in the order of the text and each once,
// when the list holds exact names only (braces are spelt out first). It is
// false when a glob or a range is among them.
func (t Tags) Exact() (names []string, ok bool) {
	if t.list.text == "" {
		return []string{defaultTag}, true
	}
	if !t.list.include.namesOnly() {
		return nil, false
	}
	return slices.Clone(t.list.include.names), true
}

// Names gives the tags that the list names: its items without wildcards that are
// no ranges, braces spelt out, less those that an item with "!" excludes; each
// once, in the order of the text. "2025.1,~2024" names 2025.1.
func (t Tags) Names() []string {
	if t.list.text == "" {
		return []string{defaultTag}
	}
	return t.list.literals()
}

// Literal gives the longest text that every tag that is meant contains, or ""
// when there is none: 2025.1- for "2025.1-ubuntu-*,2025.1-rocky-*". A server's
// filter by substring may be asked for it; Match still decides.
func (t Tags) Literal() string {
	if t.list.text == "" {
		return defaultTag
	}
	return t.literal
}

// String gives the list in the form that ParseTags reads.
func (t Tags) String() string {
	if t.list.text == "" {
		return defaultTag
	}
	return t.list.text
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "slices"

// Tags selects tags: a list of names, globs and version ranges, with "!" before
// those to exclude. The zero value selects "latest". It is immutable and safe for
// concurrent use.
type Tags struct {
	list    list
	literal string // result of Literal
}

// defaultTag is the tag of a pattern or reference without tags.
const defaultTag = "latest"

// ParseTags parses a list such as "2025.1", "2025.1-*", "~2025.1", ">=4.12 <4.15"
// or "v{1,2}.*,!*-rc*". The package comment has the rules. The error is a
// [*SyntaxError].
func ParseTags(s string) (Tags, error) { return parsed(s, parseTags) }

func parseTags(s string) (Tags, *SyntaxError) {
	l, err := parseList(tagName, s)
	if err != nil {
		return Tags{}, err
	}
	return Tags{list: l, literal: l.include.literal()}, nil
}

// Match reports whether the list selects a tag. It is case-sensitive.
func (t Tags) Match(tag string) bool {
	if len(tag) > tagName.maxLength() {
		return false // bounds the time to match
	}
	if t.list.text == "" {
		return tag == defaultTag
	}
	return t.list.match(tag)
}

// Exact returns the tags that the list selects, each once and in the order of the
// text, if all items are exact names (braces are expanded). It returns false if
// an item is a glob or a range.
func (t Tags) Exact() (names []string, ok bool) {
	if t.list.text == "" {
		return []string{defaultTag}, true
	}
	if !t.list.include.namesOnly() {
		return nil, false
	}
	return slices.Clone(t.list.include.names), true
}

// Names returns the tags that the list names: items that are neither globs nor
// ranges, with braces expanded, that no item with "!" excludes. Each is returned
// once, in the order of the text: 2025.1 for "2025.1,~2024".
func (t Tags) Names() []string {
	if t.list.text == "" {
		return []string{defaultTag}
	}
	return t.list.literals()
}

// Literal returns the longest text that every selected tag contains, or "": 2025.1-
// for "2025.1-ubuntu-*,2025.1-rocky-*". It narrows what a server is asked for;
// check the answer with Match.
func (t Tags) Literal() string {
	if t.list.text == "" {
		return defaultTag
	}
	return t.literal
}

// String returns the list in a form that ParseTags parses to an equal value.
func (t Tags) String() string {
	if t.list.text == "" {
		return defaultTag
	}
	return t.list.text
}

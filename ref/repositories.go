// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// Repositories says which repositories of a namespace are meant: a list of
// names and globs, with "!" before those to leave out. The zero value is the
// default, "*": every repository whose name holds no slash. Immutable; safe
// for concurrent use.
type Repositories struct{ list list }

// defaultRepositories stands for a pattern that names no repository.
const defaultRepositories = "*"

// ParseRepositories reads such a list: "nova-*", "{nova,neutron}-api,!*-debug",
// "tools/**". The package comment has the rules. The error is a *SyntaxError.
func ParseRepositories(s string) (Repositories, error) {
	r, err := parseRepositories(s)
	if err != nil {
		return Repositories{}, err.in(s)
	}
	return r, nil
}

func parseRepositories(s string) (Repositories, *SyntaxError) {
	l, err := parseList(repositoryName, s)
	return Repositories{list: l}, err
}

// Match tells whether the repository is meant. The name is without its
// namespace and may hold slashes.
func (r Repositories) Match(name string) bool {
	if len(name) > repositoryName.max() {
		return false // no repository; and the time to match stays bounded
	}
	if r.list.text == "" {
		return name != "" && !strings.Contains(name, "/")
	}
	return r.list.match(name)
}

// MatchAcross tells whether the repository would be meant if "*", "?" and
// "[!a]" matched slashes too, as they do in Python's fnmatch. Where Match is
// false and MatchAcross is true, the repository is left out only because it
// is nested: a caller may count those and say so, for "**" would take them.
func (r Repositories) MatchAcross(name string) bool {
	if len(name) > repositoryName.max() {
		return false
	}
	if r.list.text == "" {
		return name != ""
	}
	return r.list.include.matchAcross(name) && !r.list.exclude.matchAcross(name)
}

// Literal gives the one repository that is meant, when the list leaves no
// other: then no listing is needed.
func (r Repositories) Literal() (name string, ok bool) {
	include := &r.list.include
	if len(include.names) != 1 || !include.namesOnly() {
		return "", false
	}
	return include.names[0], true
}

// Names gives the repositories that the list names: its items without wildcards,
// braces spelt out, less those that an item with "!" excludes; each once, in the
// order of the text. "{nova,heat}-api,glance*" names nova-api and heat-api. Whoever
// wrote a name expects to hear of it, even if no listing shows the repository.
func (r Repositories) Names() []string { return r.list.literals() }

// String gives the list in the form that ParseRepositories reads.
func (r Repositories) String() string {
	if r.list.text == "" {
		return defaultRepositories
	}
	return r.list.text
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// Repositories selects repositories of a namespace: a list of names and globs,
// with "!" before those to exclude. The zero value is "*", which selects every
// repository without a slash in its name. It is immutable and safe for
// concurrent use.
type Repositories struct{ list list }

// defaultRepositories is the list of a pattern without repositories.
const defaultRepositories = "*"

// ParseRepositories parses a list such as "nova-*", "{nova,neutron}-api,!*-debug"
// or "tools/**". The package comment has the rules. The error is a [*SyntaxError].
func ParseRepositories(s string) (Repositories, error) { return parsed(s, parseRepositories) }

func parseRepositories(s string) (Repositories, *SyntaxError) {
	l, err := parseList(repositoryName, s)
	return Repositories{list: l}, err
}

// Match reports whether the list selects a repository. The name is without the
// namespace and may have slashes.
func (r Repositories) Match(name string) bool {
	if len(name) > repositoryName.maxLength() {
		return false // bounds the time to match
	}
	if r.list.text == "" {
		return name != "" && !strings.Contains(name, "/")
	}
	return r.list.match(name)
}

// MatchAcross reports whether the list would select a repository if "*", "?" and
// "[!a]" also matched slashes, as in Python's fnmatch. If Match returns false
// and MatchAcross true, the repository is excluded only because it is nested:
// "**" would select it.
func (r Repositories) MatchAcross(name string) bool {
	if len(name) > repositoryName.maxLength() {
		return false
	}
	if r.list.text == "" {
		return name != ""
	}
	return r.list.include.matchAcross(name) && !r.list.exclude.matchAcross(name)
}

// Literal returns the only repository that the list can select, and whether there
// is only one. Its tags can be looked up without a listing.
func (r Repositories) Literal() (name string, ok bool) {
	include := &r.list.include
	if len(include.names) != 1 || !include.namesOnly() {
		return "", false
	}
	return include.names[0], true
}

// Names returns the repositories that the list names: items without wildcards, with
// braces expanded, that no item with "!" excludes. Each is returned once, in the
// order of the text: nova-api and heat-api for "{nova,heat}-api,glance*". A user
// who names a repository expects an answer about it, even if no listing has it.
func (r Repositories) Names() []string { return r.list.literals() }

// String returns the list in a form that ParseRepositories parses to an equal value.
func (r Repositories) String() string {
	if r.list.text == "" {
		return defaultRepositories
	}
	return r.list.text
}

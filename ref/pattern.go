// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// Pattern says which images are meant: those of the repositories of one
// namespace that carry one of some tags. ParsePattern makes one; one made by
// hand needs a Namespace only. Immutable by convention; safe for concurrent
// use as long as nobody writes to it.
type Pattern struct {
	// Host is the server, in lower case, with its port if one was given:
	// "quay.io", "registry.example:8443". It is "" when the pattern has none,
	// and the caller's own server is meant.
	Host string

	// Namespace is the organization or the user that owns the repositories.
	Namespace string

	// Repositories says which of them are meant; every un-nested one when the
	// pattern has none.
	Repositories Repositories

	// Tags says which tags are meant; "latest" when the pattern has none.
	Tags Tags

	// Since leaves out tags that began before it; zero is no limit.
	Since Since

	// Token is the token of the query, if there was one. It does not print.
	Token Secret
}

// ParsePattern reads [quay://][HOST/]ORG[/GLOBS][:TAGS][?since=S&token=T]. The
// package comment has the rules. The error is a *SyntaxError.
func ParsePattern(s string) (Pattern, error) {
	p, err := parsePattern(s)
	if err != nil {
		return Pattern{}, err.in(s)
	}
	return p, nil
}

func parsePattern(s string) (Pattern, *SyntaxError) {
	if len(s) > maxInput {
		return Pattern{}, fail(maxInput, "a pattern is longer than %d characters", maxInput)
	}
	query := cutQuery(s)
	body := s[:query]
	a, err := parseAddress(body)
	if err != nil {
		return Pattern{}, err
	}
	p := Pattern{Host: a.host, Namespace: a.namespace}
	colon := a.rest + tagColon(body[a.rest:])

	// What lies between the slash and the colon, and what lies after it.
	globs, globsAt := defaultRepositories, a.rest
	if a.rest+len("/") < colon {
		globsAt = a.rest + len("/")
		globs = body[globsAt:colon]
	}
	tags, tagsAt := defaultTag, len(body)
	if colon < len(body) {
		tagsAt = colon + len(":")
		tags = body[tagsAt:]
	}
	switch {
	case a.rest < len(body) && body[a.rest] == '@':
		return Pattern{}, repositoryName.refuse(body, a.rest)
	case tags == "":
		return Pattern{}, fail(tagsAt, "tag: the name is missing after the colon; without the colon it is %s", defaultTag)
	}

	if p.Repositories, err = parseEscaped(globs, parseRepositories); err != nil {
		return Pattern{}, err.moved(globsAt)
	}
	if p.Tags, err = parseEscaped(tags, parseTags); err != nil {
		return Pattern{}, err.moved(tagsAt)
	}
	if query < len(s) {
		if err := p.parseQuery(s[query+1:]); err != nil {
			return Pattern{}, err.moved(query + 1)
		}
	}
	return p, nil
}

// tagColon gives the place of the colon before the tag: the first outside
// braces and classes, for no repository has one; or len(s).
func tagColon(s string) int {
	colon := len(s)
	outside(s, func(i int) bool {
		if s[i] == ':' {
			colon = i
			return false
		}
		return true
	})
	return colon
}

// String gives the pattern in its canonical form, with the scheme and the
// defaults written out and without the token. ParsePattern of it gives an equal
// Pattern, its token aside.
func (p Pattern) String() string {
	var b strings.Builder
	b.WriteString(scheme)
	if p.Host != "" {
		b.WriteString(p.Host + "/")
	}
	b.WriteString(p.Namespace + "/" + p.Repositories.String() + ":" + p.Tags.String())
	if !p.Since.IsZero() {
		b.WriteString("?since=" + p.Since.String())
	}
	return b.String()
}

// Warnings says what is dangerous about a pattern that is otherwise well. Each
// is one line without a secret.
func (p Pattern) Warnings() []string {
	if p.Token.IsZero() {
		return nil
	}
	return []string{"the token in the pattern can be read in the list of processes, in the shell's history " +
		"and in logs; give it in QUAYSIDE_TOKEN, with --token-file, or on standard input"}
}

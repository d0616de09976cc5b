// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// A Pattern selects images: the repositories of one namespace that carry one of
// some tags. [ParsePattern] makes a Pattern; a Pattern made by hand needs only a
// Namespace. It is safe for concurrent use as long as nobody writes to it.
type Pattern struct {
	// Host is the server, in lower case, with its port if the pattern has a port:
	// "quay.io", "registry.example:8443". It is "" if the pattern has no host: the
	// caller chooses the server.
	Host string

	// Namespace is the organization or user that owns the repositories.
	Namespace string

	// Repositories selects repositories; the zero value selects every repository
	// without a slash in its name.
	Repositories Repositories

	// Tags selects tags; the zero value selects "latest".
	Tags Tags

	// Since leaves out tags that began before it; the zero value is no limit.
	Since Since
}

// ParsePattern parses [quay://][HOST/]ORG[/GLOBS][:TAGS][?since=SINCE]; the package
// comment has the rules. The error is a [*SyntaxError].
func ParsePattern(s string) (Pattern, error) { return parsed(s, parsePattern) }

func parsePattern(s string) (Pattern, *SyntaxError) {
	if len(s) > maxInput {
		return Pattern{}, fail(maxInput, "a pattern is longer than %d characters", maxInput)
	}
	if err := refuseToken(s); err != nil {
		return Pattern{}, err
	}
	query := queryStart(s)
	body := s[:query]
	a, err := parseAddress(body)
	if err != nil {
		return Pattern{}, err
	}
	p := Pattern{Host: a.host, Namespace: a.namespace}
	colon := a.rest + tagColon(body[a.rest:])

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
		return Pattern{}, err.shift(globsAt)
	}
	if p.Tags, err = parseEscaped(tags, parseTags); err != nil {
		return Pattern{}, err.shift(tagsAt)
	}
	if query < len(s) {
		if err := p.parseQuery(s[query+1:]); err != nil {
			return Pattern{}, err.shift(query + 1)
		}
	}
	return p, nil
}

// tagColon returns the offset of the colon before the tag, or len(s): the first
// colon outside braces and classes, because no repository name has a colon.
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

// String returns the pattern in its canonical form, with the scheme and with
// defaults written out. ParsePattern parses it to an equal Pattern.
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

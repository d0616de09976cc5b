// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ValidNamespace checks the name of an organization or user: one segment of a
// repository name, without a slash (doc/quay-api.md section 2, "URL form"). It
// returns nil or a [*SyntaxError].
func ValidNamespace(s string) error { return namespaceName.check(s).withInput(s) }

// ValidRepository checks the name of a repository without its namespace:
// segments of lower-case letters, digits, ".", "_" and "-" that begin with a
// letter or digit, separated by slashes, 255 characters at most in total
// (doc/quay-api.md section 2, "URL form"). It returns nil or a [*SyntaxError].
func ValidRepository(s string) error { return repositoryName.check(s).withInput(s) }

// ValidHost checks a host with an optional port: a name or an IP address (IPv6 in
// brackets), and a port from 1 to 65535. Case does not matter. It returns nil or
// a [*SyntaxError].
func ValidHost(s string) error { return checkHost(asciiLower(s)).withInput(s) }

// ValidTag checks the name of a tag: a letter, digit or "_", then at most 127
// of these, "." and "-". It returns nil or a [*SyntaxError].
func ValidTag(s string) error { return tagName.check(s).withInput(s) }

// A kind is one of the kinds of names. Its methods are the registry's grammar.
type kind int

const (
	namespaceName kind = iota
	repositoryName
	tagName
)

func (k kind) String() string {
	return [...]string{"organization", "repository", "tag"}[k]
}

// maxLength returns the length of the longest name, in bytes.
func (k kind) maxLength() int {
	if k == tagName {
		return 128
	}
	return 255
}

// begins reports whether c may begin a name, or a segment of a repository name.
func (k kind) begins(c byte) bool {
	return isLower(c) || isDigit(c) || k == tagName && (isUpper(c) || c == '_')
}

// holds reports whether c may be part of a name. It does not count the slash.
func (k kind) holds(c byte) bool {
	return k.begins(c) || c == '.' || c == '_' || c == '-'
}

// check returns an error at the first character that the registry would refuse.
func (k kind) check(s string) *SyntaxError {
	if s == "" {
		return fail(0, "%s: the name is missing", k)
	}
	atStart := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/' && k == repositoryName:
			if atStart {
				return fail(i, "%s: a part is missing before the slash", k)
			}
			atStart = true
			continue
		case !k.holds(c):
			return k.refuse(s, i)
		case atStart && !k.begins(c):
			return k.refuseStart(s, i)
		}
		atStart = false
	}
	switch {
	case atStart:
		return fail(len(s), "%s: a part is missing after the slash", k)
	case len(s) > k.maxLength():
		return fail(k.maxLength(), "%s: longer than %d characters", k, k.maxLength())
	}
	return nil
}

// refuseStart returns the error for a character s[i] that cannot begin a name.
func (k kind) refuseStart(s string, i int) *SyntaxError {
	if k == tagName {
		return fail(i, `tag: %q cannot begin a tag; a letter, a digit or "_" does`, s[i])
	}
	return fail(i, "%s: %q cannot begin a name; a lower-case letter or a digit does", k, s[i])
}

// refuse returns the error for a character s[i] that is not allowed there, with
// advice on what the user may have meant.
func (k kind) refuse(s string, i int) *SyntaxError {
	char, _ := utf8.DecodeRuneInString(s[i:])
	why := fmt.Sprintf("%q is not allowed here; names hold lower-case letters, digits, \".\", \"_\" and \"-\"", char)
	switch {
	case k != tagName && isUpper(s[i]):
		why = fmt.Sprintf("%q is upper case; names are lower case", char)
	case strings.ContainsRune("&=#", char):
		why = fmt.Sprintf("%q is not allowed here; a query is %s, at the end", char, queryForm())
	case char == '@':
		why = `"@" is not allowed here; a digest (@sha256:...) ends an image reference, not a pattern`
	case char == '\\':
		why = `"\\" is not allowed: no name needs an escape`
	case k == tagName && char == '/':
		why = `"/" is not allowed in a tag, and the tag comes last`
	case k == tagName && char == '|':
		why = `"|" is not allowed here; a comma means "or"`
	case char == ':':
		why = `":" is allowed once, before the tag`
	case strings.ContainsRune("*?[]{}!,", char):
		why = fmt.Sprintf("%q is not allowed here: give one exact name", char)
	case k == tagName:
		why = fmt.Sprintf("%q is not allowed here; tags hold letters, digits, \".\", \"_\" and \"-\"", char)
	}
	return fail(i, "%s: %s", k, why)
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

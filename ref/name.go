// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ValidNamespace checks the name of an organization or a user: one segment of a
// repository name, without a slash (doc/quay-api.md section 2, "URL form"). The
// error is a *SyntaxError.
func ValidNamespace(s string) error { return namespaceName.check(s).in(s) }

// ValidRepository checks the name of a repository without its namespace:
// segments that begin with a lower-case letter or a digit and go on with those,
// ".", "_" and "-"; parted by slashes; 255 characters at most in total
// (doc/quay-api.md section 2, "URL form"). The error is a *SyntaxError.
func ValidRepository(s string) error { return repositoryName.check(s).in(s) }

// ValidHost checks a host with an optional port: a name, or an address of the
// internet (of version 6 in brackets), and a port from 1 to 65535. Upper and
// lower case are alike. The error is a *SyntaxError.
func ValidHost(s string) error { return checkHost(asciiLower(s)).in(s) }

// ValidTag checks the name of a tag: a letter, a digit or "_", then at most 127
// of those, "." and "-". The error is a *SyntaxError.
func ValidTag(s string) error { return tagName.check(s).in(s) }

// kind is what a name names. Its methods are the grammar of the registry.
type kind int

const (
	namespaceName kind = iota
	repositoryName
	tagName
)

// String gives the word that error messages use.
func (k kind) String() string {
	return [...]string{"organization", "repository", "tag"}[k]
}

// max is the length that no name exceeds.
func (k kind) max() int {
	if k == tagName {
		return 128
	}
	return 255
}

// begins tells whether c may begin a name, or a segment of a repository name.
func (k kind) begins(c byte) bool {
	return isLower(c) || isDigit(c) || k == tagName && (isUpper(c) || c == '_')
}

// holds tells whether c may stand in a name, the slash aside.
func (k kind) holds(c byte) bool {
	return k.begins(c) || c == '.' || c == '_' || c == '-'
}

// check finds the first character of a name that the registry would refuse.
func (k kind) check(s string) *SyntaxError {
	if s == "" {
		return fail(0, "%s: the name is missing", k)
	}
	atStart := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/' && k == repositoryName:
			if atStart {
				return fail(i, "%s: nothing stands before the slash", k)
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
		return fail(len(s), "%s: nothing stands after the slash", k)
	case len(s) > k.max():
		return fail(k.max(), "%s: longer than %d characters", k, k.max())
	}
	return nil
}

// refuseStart says that s[i] may stand in a name but not begin one.
func (k kind) refuseStart(s string, i int) *SyntaxError {
	if k == tagName {
		return fail(i, `tag: %q cannot begin a tag; a letter, a digit or "_" does`, s[i])
	}
	return fail(i, "%s: %q cannot begin a name; a lower-case letter or a digit does", k, s[i])
}

// refuse says that s[i] cannot stand where it does, and what the writer may
// have meant.
func (k kind) refuse(s string, i int) *SyntaxError {
	char, _ := utf8.DecodeRuneInString(s[i:])
	why := fmt.Sprintf("%q cannot stand here; names hold lower-case letters, digits, \".\", \"_\" and \"-\"", char)
	switch {
	case k != tagName && isUpper(s[i]):
		why = fmt.Sprintf("%q is upper case; names are lower case", char)
	case strings.ContainsRune("&=#", char):
		why = fmt.Sprintf("%q cannot stand here; a query is ?since=AGE&token=TOKEN, at the end", char)
	case char == '@':
		why = `"@" cannot stand here; a digest (@sha256:...) ends an image reference, not a pattern`
	case char == '\\':
		why = `"\\" has no use; no name holds a character that needs it`
	case k == tagName && char == '/':
		why = `"/" cannot stand in a tag, and the tag comes last`
	case k == tagName && char == '|':
		why = `"|" cannot stand here; a comma means "or"`
	case char == ':':
		why = `":" stands once, before the tag`
	case strings.ContainsRune("*?[]{}!,", char):
		why = fmt.Sprintf("%q makes a pattern, and one name is meant here", char)
	case k == tagName:
		why = fmt.Sprintf("%q cannot stand here; tags hold letters, digits, \".\", \"_\" and \"-\"", char)
	}
	return fail(i, "%s: %s", k, why)
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// The longest names that a Quay accepts, in bytes (doc/quay-api.md section 2).
const (
	maxName = 255
	maxTag  = 128
)

// A RepoName is the name of a repository on a server.
type RepoName struct {
	Namespace string // an organization or a user
	Name      string // without the namespace; may have slashes
}

// String returns "namespace/name".
func (r RepoName) String() string { return r.Namespace + "/" + r.Name }

// ParseRepoName parses "namespace/name". The parts of the name, between slashes, have
// lower-case letters, digits, '.', '_' and '-', and start with a letter or digit
// (doc/quay-api.md section 2). The error is [ErrInvalid] and names the first
// character that is not allowed.
func ParseRepoName(s string) (RepoName, error) {
	namespace, name, found := strings.Cut(s, "/")
	if !found {
		return RepoName{}, invalid("repository name", "%s: no '/': want namespace/name", quote(s))
	}
	r := RepoName{Namespace: namespace, Name: name}
	if err := r.check("repository name"); err != nil {
		return RepoName{}, err
	}
	return r, nil
}

// check returns ErrInvalid if r is not a valid name.
func (r RepoName) check(op string) error {
	if err := checkNamespace(op, r.Namespace); err != nil {
		return err
	}
	switch {
	case r.Name == "":
		return invalid(op, "%s: no name after the '/'", quote(r.String()))
	case len(r.Name) > maxName:
		return invalid(op, "%s: the name is longer than %d characters", quote(r.String()), maxName)
	}
	start := true // of a part
	for i, c := range r.Name {
		switch {
		case isLower(c) || isDigit(c):
			start = false
		case start:
			return r.invalid(op, i, c, "a part of the name starts with a-z or 0-9")
		case c == '/':
			start = true
		case c != '.' && c != '_' && c != '-':
			return r.invalid(op, i, c, "a name holds a-z, 0-9, '.', '_', '-' and '/'")
		}
	}
	if start {
		return invalid(op, "%s: the name ends with '/'", quote(r.String()))
	}
	return nil
}

// invalid returns the error for the character c at byte i of the name.
func (r RepoName) invalid(op string, i int, c rune, rule string) error {
	return badCharacter(op, r.String(), len(r.Namespace)+1+i, c, rule)
}

// checkNamespace returns ErrInvalid if s is not a valid namespace. It allows upper
// case, which the server distinguishes from lower case.
func checkNamespace(op, s string) error {
	switch {
	case s == "":
		return invalid(op, "no namespace: name an organization or a user")
	case len(s) > maxName:
		return invalid(op, "namespace %s: longer than %d characters", quote(s), maxName)
	}
	for i, c := range s {
		alphanumeric := isLower(c) || isUpper(c) || isDigit(c)
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return badCharacter(op, s, i, c, "a namespace starts with a letter or digit and goes on with these, '.', '_' and '-'")
		}
	}
	return nil
}

// checkTag returns ErrInvalid if s is not a valid tag or, if part is true, not a part
// of one. The server would read such a name as something else.
func checkTag(op, s string, part bool) error {
	switch {
	case s == "":
		return invalid(op, "no tag name")
	case len(s) > maxTag:
		return invalid(op, "tag %s: longer than %d characters", quote(s), maxTag)
	}
	for i, c := range s {
		word := isLower(c) || isUpper(c) || isDigit(c) || c == '_'
		if !word && (i == 0 && !part || c != '.' && c != '-') {
			return badCharacter(op, s, i, c, "a tag holds letters, digits, '_', '.' and '-', and does not start with '.' or '-'")
		}
	}
	return nil
}

func badCharacter(op, s string, i int, c rune, rule string) error {
	return invalid(op, "%s: character %d, %q, is not allowed: %s", quote(s), len([]rune(s[:i]))+1, c, rule)
}

// invalid returns the error for an invalid argument.
func invalid(op, format string, args ...any) error {
	return &Error{Op: op, Err: fmt.Errorf(format, args...), kind: ErrInvalid}
}

// quote returns a text of unknown origin in quotes, escaped and shortened.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q...", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}

func isLower(c rune) bool { return 'a' <= c && c <= 'z' }
func isUpper(c rune) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c rune) bool { return '0' <= c && c <= '9' }

// isDigest reports whether d is a digest by which an image can be pulled: of sha256
// and 64, or sha512 and 128, hexadecimal digits in lower case. These are the
// algorithms that the OCI image specification registers; [digest.Digest.Validate]
// lets others through.
func isDigest(d digest.Digest) bool {
	algorithm, encoded, _ := strings.Cut(string(d), ":")
	length := map[string]int{"sha256": 64, "sha512": 128}[algorithm]
	return length > 0 && len(encoded) == length && strings.Trim(encoded, "0123456789abcdef") == ""
}

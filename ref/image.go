// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strings"

	"github.com/opencontainers/go-digest"
)

// An Image names one image: a repository, and a tag or a digest or both.
// [ParseImage] makes an Image. It is a plain value, safe to copy and to compare.
type Image struct {
	Host       string        // "registry.example:8443"; "" if the reference has none
	Namespace  string        // organization or user
	Repository string        // without the namespace; may hold slashes
	Tag        string        // "latest" if the reference has neither tag nor digest
	Digest     digest.Digest // of sha256 or sha512; or ""
}

// ParseImage parses [quay://][HOST/]ORG/REPO[:TAG][@DIGEST]. As in a pattern, the
// first part is a host if it has a dot or a port or is "localhost". The digest
// is sha256 or sha512 with digits in lower case. Nothing is unescaped, and a
// query is an error. The error is a [*SyntaxError].
func ParseImage(s string) (Image, error) { return parsed(s, parseImage) }

func parseImage(s string) (Image, *SyntaxError) {
	if len(s) > maxInput {
		return Image{}, fail(maxInput, "a reference is longer than %d characters", maxInput)
	}
	if err := refuseToken(s); err != nil {
		return Image{}, err
	}
	if query := queryStart(s); query < len(s) {
		return Image{}, fail(query, "an image reference has no query: write ORG/REPO:TAG alone")
	}
	a, err := parseAddress(s)
	if err != nil {
		return Image{}, err
	}
	if a.rest == len(s) || s[a.rest] != '/' {
		return Image{}, fail(a.rest, "repository: the name is missing; an image is ORG/REPO:TAG or HOST/ORG/REPO:TAG%s", a.hint())
	}
	// The repository ends at a colon or an "@", the tag at an "@".
	i := Image{Host: a.host, Namespace: a.namespace}
	at := a.rest + len("/")
	i.Repository = s[at : at+leading(s[at:], func(c byte) bool { return c != ':' && c != '@' })]
	if err := repositoryName.check(i.Repository); err != nil {
		return Image{}, err.shift(at)
	}
	at += len(i.Repository)
	if at < len(s) && s[at] == ':' {
		at++
		i.Tag = s[at : at+leading(s[at:], func(c byte) bool { return c != '@' })]
		if err := tagName.check(i.Tag); err != nil {
			return Image{}, err.shift(at)
		}
		at += len(i.Tag)
	}
	if at < len(s) {
		at++
		i.Digest = digest.Digest(s[at:])
		if err := checkDigest(s[at:]); err != nil {
			return Image{}, err.shift(at)
		}
	}
	if i.Tag == "" && i.Digest == "" {
		i.Tag = defaultTag
	}
	return i, nil
}

// checkDigest returns what is wrong with a digest, or nil.
func checkDigest(s string) *SyntaxError {
	algorithm, encoded, _ := strings.Cut(s, ":")
	length := map[string]int{"sha256": 64, "sha512": 128}[algorithm]
	if length == 0 {
		return fail(0, "digest: want sha256: and 64 hexadecimal digits")
	}
	at := len(algorithm) + len(":")
	hex := leading(encoded, func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' })
	switch {
	case hex < len(encoded):
		return fail(at+hex, "digest: not a hexadecimal digit in lower case")
	case hex != length:
		return fail(min(at+hex, at+length), "digest: %s has %d digits, not %d", algorithm, length, hex)
	}
	return nil
}

// String returns the reference in the form that registry tools read, without a
// scheme: HOST/ORG/REPO:TAG@DIGEST, without the parts that are empty. ParseImage
// parses it to the same Image.
func (i Image) String() string {
	s := i.Namespace + "/" + i.Repository
	if i.Host != "" {
		s = i.Host + "/" + s
	}
	if i.Tag != "" {
		s += ":" + i.Tag
	}
	if i.Digest != "" {
		s += "@" + i.Digest.String()
	}
	return s
}

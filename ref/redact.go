// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"regexp"
	"strings"
	"sync"
)

// redacted replaces a secret.
const redacted = "[redacted]"

// valueStart matches the beginning of a value that may be a secret: of a key in a
// query, or of a word that ends in "token" anywhere. The "=" may be escaped.
var valueStart = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(?:[?&;]([a-z0-9_%-]*?)|[a-z0-9_-]*token)(?:=|%3d)`)
})

// hideSecrets returns a text, which need not be a valid pattern, without what may be
// a secret: a user name and password before "@", and everything from the value
// of the first key that patterns do not have. It also returns the offset in the
// result that corresponds to offset in raw.
func hideSecrets(raw string, offset int) (string, int) {
	for _, m := range valueStart().FindAllStringSubmatchIndex(raw, -1) {
		if m[2] >= 0 {
			if _, known := findQueryKey(raw[m[2]:m[3]]); known {
				continue
			}
		}
		raw = raw[:m[1]] + redacted
		offset = min(offset, m[1])
		break
	}
	start, end := userinfo(raw)
	if end <= start {
		return raw, offset
	}
	switch {
	case offset >= end:
		offset += len(redacted) - (end - start)
	case offset > start:
		offset = start
	}
	return raw[:start] + redacted + raw[end:], offset
}

// userinfo returns where "user:password" before an "@" is. The "@" of a digest
// ends no user name.
func userinfo(raw string) (start, end int) {
	if i := strings.Index(raw, "://"); i >= 0 {
		start = i + len("://")
	}
	end = strings.LastIndexByte(raw, '@')
	if end < start || strings.HasPrefix(raw[end+1:], "sha256:") || strings.HasPrefix(raw[end+1:], "sha512:") {
		return 0, 0
	}
	// A slash before any colon: the "@" is in a later part.
	if first := strings.IndexAny(raw[start:], "/:@"); raw[start+first] == '/' {
		return 0, 0
	}
	return start, end
}

// asciiLower keeps the length of s, whatever bytes it holds.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if isUpper(c) {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

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
	for at := 0; at < len(raw); {
		m := valueStart().FindStringSubmatchIndex(raw[at:])
		if m == nil {
			break
		}
		known := false
		if m[2] >= 0 {
			_, known = findQueryKey(raw[at+m[2] : at+m[3]])
		}
		if at += m[1]; !known {
			raw = raw[:at] + redacted
			offset = min(offset, at)
			break
		}
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

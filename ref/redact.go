// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "strings"

// redacted stands where a secret was.
const redacted = "[redacted]"

// redact replaces what may be a secret in a text that need not be a valid
// pattern, and gives the offset in the result that belongs to offset in raw.
// It would rather hide too much than too little: a user name and password
// before "@", every value of a query but that of since, and everything after
// "token=" wherever that stands.
func redact(raw string, offset int) (shown string, shownOffset int) {
	var b strings.Builder
	last, moved := 0, offset
	for _, s := range secrets(raw) {
		s.start = max(s.start, last)
		if s.end <= s.start {
			continue
		}
		b.WriteString(raw[last:s.start])
		switch {
		case offset >= s.end:
			moved += len(redacted) - (s.end - s.start)
		case offset > s.start:
			moved = b.Len()
		}
		b.WriteString(redacted)
		last = s.end
	}
	b.WriteString(raw[last:])
	return b.String(), moved
}

// stretch is a run of bytes of a text.
type stretch struct{ start, end int }

// secrets finds what redact replaces, in the order of the text.
func secrets(raw string) []stretch {
	var found []stretch
	if s := userinfo(raw); s.end > s.start {
		found = append(found, s)
	}
	// Neither the query nor its keys need be well-formed here: a "=" that is
	// escaped counts, and so does a key in another case or after ";".
	lower := asciiLower(raw)
	for i := 0; i < len(raw); i++ {
		start := i
		switch {
		case raw[i] == '=':
			start += len("=")
		case strings.HasPrefix(lower[i:], "%3d"): // "=", escaped
			start += len("%3d")
		default:
			continue
		}
		key, inQuery := keyBefore(lower, i)
		if !strings.HasSuffix(key, "token") && (!inQuery || key == "since") {
			continue
		}
		// A token may hold a bare "&", so only a key that is known ends it.
		end := len(raw)
		if next := strings.Index(lower[start:], "&since="); next >= 0 {
			end = start + next
		}
		found = append(found, stretch{start, end})
		i = end
	}
	return found
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

// maxKey bounds how far back a key of the query is looked for.
const maxKey = 64

// keyBefore gives the word that ends before i, and whether it stands where a
// key of a query does.
func keyBefore(s string, i int) (key string, inQuery bool) {
	start := i
	for start > 0 && i-start < maxKey && (isLower(s[start-1]) || isDigit(s[start-1]) || strings.IndexByte("_-%", s[start-1]) >= 0) {
		start--
	}
	return s[start:i], start > 0 && strings.IndexByte("?&;", s[start-1]) >= 0
}

// userinfo finds "user:password" before an "@". The "@" of a digest is not one.
func userinfo(raw string) stretch {
	start := 0
	if i := strings.Index(raw, "://"); i >= 0 {
		start = i + len("://")
	}
	end := strings.LastIndexByte(raw, '@')
	if end < start || isDigestAlgorithm(raw[end+1:]) {
		return stretch{}
	}
	// A slash before any colon: the "@" stands in a later part.
	first := strings.IndexAny(raw[start:], "/:@")
	if raw[start+first] == '/' {
		return stretch{}
	}
	return stretch{start, end}
}

// isDigestAlgorithm tells whether s begins as a digest does.
func isDigestAlgorithm(s string) bool {
	return strings.HasPrefix(s, "sha256:") || strings.HasPrefix(s, "sha512:")
}

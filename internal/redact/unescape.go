// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxRounds is how often a text is unescaped: an escaped URL in quoted JSON needs
	// three rounds.
	maxRounds = 3
	// maxEntity is the length of the longest HTML entity, in bytes, with leading zeros.
	maxEntity = 12
)

// unescape decodes the escapes of URLs, JSON, Go and HTML. from holds the stretch of the
// original text for each byte of the result. It is nil if the text has no escape.
func unescape(text string) (plain string, from []stretch) {
	for range maxRounds {
		next, of := unescapeOnce(text)
		if of == nil {
			break
		}
		for i, s := range of {
			if from != nil {
				of[i] = stretch{from[s.begin].begin, from[s.end-1].end}
			}
		}
		text, from = next, of
	}
	return text, from
}

func unescapeOnce(text string) (string, []stretch) {
	if !strings.ContainsAny(text, `%\&`) {
		return text, nil
	}
	plain, from, escapes := make([]byte, 0, len(text)), make([]stretch, 0, len(text)), 0
	for i := 0; i < len(text); {
		char, n := escape(text[i:])
		if n == 0 {
			char, n = text[i:i+1], 1
		} else {
			escapes++
		}
		plain = append(plain, char...)
		for range len(char) {
			from = append(from, stretch{i, i + n})
		}
		i += n
	}
	if escapes == 0 {
		return text, nil
	}
	return string(plain), from
}

// escape decodes the escape at the beginning of a text. n is the length of the escape, or
// 0 if the text does not begin with an escape.
func escape(text string) (char string, n int) {
	switch {
	case text[0] == '%':
		return code(text, 1, 2, true)
	case text[0] == '&':
		end := strings.IndexByte(text[:min(maxEntity, len(text))], ';')
		if end < 0 {
			return "", 0
		}
		if char = html.UnescapeString(text[:end+1]); char == text[:end+1] {
			return "", 0
		}
		return char, end + 1
	case text[0] != '\\' || len(text) < 2:
		return "", 0
	}
	switch text[1] {
	case 'x':
		return code(text, 2, 2, true)
	case 'u':
		return code(text, 2, 4, false)
	case 'U':
		return code(text, 2, 8, false)
	case '\\', '"', '\'', '/':
		return text[1:2], 2
	case 'n', 'r', 't', 'b', 'f', 'v', 'a':
		return "\n", 2 // no secret has such a character
	}
	return "", 0
}

// code decodes an escape whose hexadecimal digits start at begin. single reports whether
// they encode a byte; otherwise they encode a rune.
func code(text string, begin, digits int, single bool) (string, int) {
	if len(text) < begin+digits {
		return "", 0
	}
	n, err := strconv.ParseUint(text[begin:begin+digits], 16, 32)
	switch {
	case err != nil:
		return "", 0
	case single:
		return string([]byte{byte(n)}), begin + digits
	case n > utf8.MaxRune:
		return "", 0
	}
	return string(rune(n)), begin + digits
}

// merge sorts stretches, and joins those that touch.
func merge(found []stretch) (merged []stretch) {
	slices.SortFunc(found, func(a, b stretch) int { return a.begin - b.begin })
	for _, s := range found {
		if n := len(merged); n > 0 && s.begin <= merged[n-1].end {
			merged[n-1].end = max(merged[n-1].end, s.end)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

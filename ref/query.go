// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strconv"
	"strings"
)

// cutQuery finds where the query of a pattern begins: at the first "?" that a
// word and "=" follow. No glob and no version range has that form, for "="
// stands in a range only, after an operator, a space or a comma. So a "?" of a
// glob is told from a query, and a key that is not known is an error rather
// than a strange glob. Without a query it gives len(s).
func cutQuery(s string) int {
	for i := range len(s) {
		if s[i] != '?' {
			continue
		}
		word := s[i+1:]
		n := leading(word, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '-' })
		if n > 0 && n < len(word) && word[n] == '=' {
			return i
		}
	}
	return len(s)
}

// parseQuery reads what follows the "?" of a pattern, and sets Since and Token.
func (p *Pattern) parseQuery(q string) *SyntaxError {
	seen := map[string]bool{}
	at := 0
	for _, pair := range strings.Split(q, "&") {
		key, value, found := strings.Cut(pair, "=")
		valueAt := at + len(key) + len("=")
		switch {
		case !found:
			return fail(at, `query: "=" is missing; write since=AGE or token=TOKEN, and %%26 for an "&" in a value`)
		case key != "since" && key != "token":
			return fail(at, "query: unknown key; the keys are since and token")
		case seen[key]:
			return fail(at, "query: %s is given twice", key)
		case value == "":
			return fail(valueAt, "query: the value of %s is empty", key)
		}
		seen[key] = true
		var err *SyntaxError
		if key == "since" {
			p.Since, err = parseEscaped(value, parseSince)
		} else {
			p.Token, err = parseEscaped(value, parseToken)
		}
		if err != nil {
			return err.moved(valueAt)
		}
		at += len(pair) + len("&")
	}
	return nil
}

// parseToken refuses what no header can carry. The error does not say which
// character it was.
func parseToken(s string) (Secret, *SyntaxError) {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return Secret{}, fail(0, "query: the token holds a space or a character that is not ASCII")
		}
	}
	return NewSecret(s), nil
}

// parseEscaped parses the unescaped form of a text. The offset of an error is
// that in the escaped one.
func parseEscaped[T any](escaped string, parse func(string) (T, *SyntaxError)) (T, *SyntaxError) {
	text, err := unescape(escaped)
	if err != nil {
		var none T
		return none, err
	}
	parsed, err := parse(text)
	if err != nil {
		err = fail(escapedOffset(escaped, err.Offset), "%s", err.Msg)
	}
	return parsed, err
}

// unescape replaces every %XX by its byte. A "+" stays a plus.
func unescape(s string) (string, *SyntaxError) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+len("%XX") > len(s) {
			return "", badEscape(i)
		}
		b, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", badEscape(i)
		}
		out = append(out, byte(b))
		i += 2
	}
	return string(out), nil
}

func badEscape(at int) *SyntaxError {
	return fail(at, `"%%" begins an escape and two hexadecimal digits follow it; write %%25 for a "%%"`)
}

// escapedOffset gives the place in an escaped text of a place in its unescaped
// form.
func escapedOffset(escaped string, offset int) int {
	i := 0
	for ; offset > 0 && i < len(escaped); offset-- {
		if escaped[i] == '%' {
			i += 2
		}
		i++
	}
	return i
}

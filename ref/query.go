// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"slices"
	"strconv"
	"strings"
)

// A queryKey is one key that the query of a pattern may have.
type queryKey struct {
	name string
	// set parses the unescaped value into the pattern.
	set func(p *Pattern, value string) *SyntaxError
}

// queryKeys is the table of all keys. Values of other keys are hidden in errors.
func queryKeys() []queryKey {
	return []queryKey{
		{"since", func(p *Pattern, value string) (err *SyntaxError) {
			p.Since, err = parseSince(value)
			return err
		}},
	}
}

func findQueryKey(name string) (queryKey, bool) {
	keys := queryKeys()
	i := slices.IndexFunc(keys, func(k queryKey) bool { return k.name == name })
	if i < 0 {
		return queryKey{}, false
	}
	return keys[i], true
}

// queryForm is how a query is written, for error messages.
func queryForm() string {
	var pairs []string
	for _, k := range queryKeys() {
		pairs = append(pairs, k.name+"="+strings.ToUpper(k.name))
	}
	return "?" + strings.Join(pairs, "&")
}

// queryStart returns where the query of a pattern begins, or len(s): at the first
// "?" that a word and "=" follow. No glob and no version range has this form,
// because "=" occurs only in a range, after an operator, a space or a comma. So
// a misspelled key is an error rather than a strange glob.
func queryStart(s string) int {
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

// refuseToken returns the error for a token in a query: a command line is
// visible to other users. It is checked before anything else, so that the user
// learns of it at once.
func refuseToken(s string) *SyntaxError {
	at := queryStart(s) + 1
	for at < len(s) {
		pair, _, _ := strings.Cut(s[at:], "&")
		key, _, _ := strings.Cut(pair, "=")
		if strings.HasSuffix(asciiLower(key), "token") {
			return fail(at, "query: a token is not allowed here, because the process list, the shell's history and logs show it; "+
				"give it in $QUAYSIDE_TOKEN, in a file with --token-file, or for each server in the config file")
		}
		at += len(pair) + len("&")
	}
	return nil
}

// parseQuery reads what follows the "?" of a pattern.
func (p *Pattern) parseQuery(q string) *SyntaxError {
	seen := map[string]bool{}
	at := 0
	for _, pair := range strings.Split(q, "&") {
		name, value, found := strings.Cut(pair, "=")
		key, known := findQueryKey(name)
		valueAt := at + len(name) + len("=")
		switch {
		case !found:
			return fail(at, `query: "=" is missing; write %s, and %%26 for an "&" in a value`, queryForm())
		case !known:
			return fail(at, "query: unknown key; a query is %s", queryForm())
		case seen[name]:
			return fail(at, "query: %s is given twice", name)
		case value == "":
			return fail(valueAt, "query: the value of %s is empty", name)
		}
		seen[name] = true
		set := func(value string) (struct{}, *SyntaxError) { return struct{}{}, key.set(p, value) }
		if _, err := parseEscaped(value, set); err != nil {
			return err.shift(valueAt)
		}
		at += len(pair) + len("&")
	}
	return nil
}

// parseEscaped parses the unescaped form of a text. The offset of an error is
// an offset in the escaped form.
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
	return fail(at, `"%%" begins an escape and needs two hexadecimal digits after it; write %%25 for a "%%"`)
}

// escapedOffset returns the offset in an escaped text of an offset in its
// unescaped form.
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

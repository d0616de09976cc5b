// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"strings"
)

// A challenge is an authentication scheme that a server offers, and its parameters (RFC
// 9110, section 11.6.1). The scheme and the names are in lower case.
type challenge struct {
	scheme     string
	parameters map[string]string
}

// challenges reads all WWW-Authenticate headers of an answer, in their order. A
// header may hold several challenges. It also accepts what some registries send in
// violation of the RFC: unquoted values that need quotes, parameters without a comma
// between them, an unclosed quote. The transport's limit on headers bounds the number of
// challenges.
func challenges(h http.Header) (all []challenge) {
	for _, text := range h.Values("WWW-Authenticate") {
		for {
			var scheme string
			scheme, text = cutToken(strings.TrimLeft(text, " \t,"))
			if scheme == "" {
				break
			}
			c := challenge{strings.ToLower(scheme), map[string]string{}}
			text = c.read(text)
			all = append(all, c)
		}
	}
	return all
}

// read parses the parameters of a challenge from the text after its scheme, and returns
// the rest of the text.
func (c challenge) read(text string) (rest string) {
	text = strings.TrimLeft(text, " \t")
	if strings.HasPrefix(text, ",") {
		return text
	}
	for first := true; ; first = false {
		text = strings.TrimLeft(text, " \t,")
		name, after := cutToken(text)
		value, isParameter := strings.CutPrefix(strings.TrimLeft(after, " \t"), "=")
		if name == "" || !isParameter || value == "" || value[0] == '=' {
			if first {
				return skipToken68(text)
			}
			return text
		}
		value, text = cutValue(strings.TrimLeft(value, " \t"))
		if name = strings.ToLower(name); c.parameters[name] == "" {
			c.parameters[name] = value
		}
	}
}

// skipToken68 skips a token68 (RFC 9110, section 11.2), which some schemes use instead
// of parameters. Any other text is another challenge.
func skipToken68(s string) (rest string) {
	end := strings.IndexFunc(s, func(c rune) bool { return !isTokenRune(c) && c != '/' && c != '=' })
	if end < 0 {
		return ""
	}
	if after := strings.TrimLeft(s[end:], " \t"); after == "" || after[0] == ',' {
		return after
	}
	return s
}

// cutToken cuts a token (RFC 9110, section 5.6.2) off the beginning.
func cutToken(s string) (token, rest string) {
	end := strings.IndexFunc(s, func(c rune) bool { return !isTokenRune(c) })
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

func isTokenRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// cutValue cuts a value off the beginning: a quoted string, or the text before the next
// comma or space.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/redact"
)

// A reason is the explanation in the body of a refusal, cleaned and redacted.
type reason struct {
	code    string
	text    string
	digests []digest.Digest // in the body
}

const (
	maxReasons = 3    // messages shown of one answer
	maxNamed   = 1000 // digests read of one answer
)

var digestForm = lazily(`\b(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})\b`)

// readBody reads why a server refused a request. Registries and proxies send a
// registry's error list (shape D of doc/quay-api.md section 3), the other JSON shapes of
// that section, XML of object storage, an HTML page, or text. The Content-Type is
// ignored, because servers send wrong types.
func readBody(hide *redact.Redactor, body []byte) (said reason) {
	text := decode(body)
	if hide.Shows(text) || hide.Shows(strings.Join(strings.Fields(text), " ")) {
		return reason{} // a shortened text could contain a part of the secret
	}
	for _, found := range digestForm().FindAllString(text, maxNamed) {
		if d := digest.Digest(found); !slices.Contains(said.digests, d) {
			said.digests = append(said.digests, d)
		}
	}
	var content any
	switch trimmed := strings.TrimSpace(text); {
	case json.NewDecoder(strings.NewReader(trimmed)).Decode(&content) == nil: // reads the first value only
		var messages []string
		said.code, messages = readReason(content)
		said.code = hide.Line(said.code)
		if said.text = hide.Line(strings.Join(messages, "; ")); said.text == "" && said.code == "" && strings.Contains(trimmed, `":"`) {
			said.text = hide.Line(trimmed) // JSON of an unknown form
		}
	case strings.HasPrefix(trimmed, "<"):
		said.code = hide.Line(element(text, "Code"))
		said.text = hide.Line(cmp.Or(element(text, "Message"), element(text, "title"), element(text, "h1"), element(text, "body")))
	default:
		if line, _, _ := strings.Cut(trimmed, "\n"); isText(line) {
			said.text = hide.Line(line)
		}
	}
	return said
}

// decode decodes a body in UTF-8, in UTF-16 with a byte order mark, or in Latin-1.
func decode(body []byte) string {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(body, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	case !bytes.HasPrefix(body, []byte{0xff, 0xfe}):
		if !utf8.Valid(body) && !bytes.ContainsFunc(body, isBinary) {
			return latin1(body)
		}
		return string(bytes.TrimPrefix(body, []byte("\ufeff")))
	}
	var units []uint16
	for body = body[2:]; len(body) >= 2; body = body[2:] {
		units = append(units, order.Uint16(body))
	}
	return string(utf16.Decode(units))
}

// isBinary reports whether a character does not occur in text.
func isBinary(c rune) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' }

// latin1 decodes ISO 8859-1, whose bytes are the first code points of Unicode.
func latin1(body []byte) string {
	text := make([]rune, len(body))
	for i, b := range body {
		text[i] = rune(b)
	}
	return string(text)
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// tags matches the tags of HTML and XML.
var tags = lazily(`<[^>]*>`)

// element returns the text of the first element with this name in HTML or XML.
func element(text, name string) string {
	found := regexp.MustCompile(`(?is)<` + name + `(?:\s[^>]*)?>(.*?)</` + name + `\s*>`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return strings.TrimSpace(html.UnescapeString(tags().ReplaceAllString(found[1], " ")))
}

// readReason returns the code and the messages of an error in JSON.
func readReason(content any) (code string, messages []string) {
	switch v := content.(type) {
	case string:
		return "", []string{v}
	case []any:
		for _, one := range v {
			c, m := readReason(one)
			if code == "" {
				code = c
			}
			if messages = append(messages, m...); len(messages) >= maxReasons {
				return code, messages[:maxReasons]
			}
		}
		return code, messages
	case map[string]any:
		for _, list := range []string{"errors", "error", "message"} {
			switch inner := v[list].(type) {
			case []any, map[string]any:
				if code, messages = readReason(inner); len(messages) > 0 || code != "" {
					return code, messages
				}
			}
		}
		if code, messages = readError(v); len(messages) == 0 {
			messages = readArguments(v["message"])
		}
		return code, messages
	}
	return "", nil
}

// readError returns the code of one error object, and its message with the detail.
func readError(v map[string]any) (code string, messages []string) {
	if text := firstText(v, "message", "error_description", "error_message", "description", "errors", "error", "msg", "reason", "title", "details"); text != "" {
		messages = append(messages, text)
	}
	code, _ = v["code"].(string)
	detail := v["detail"]
	if inner, ok := detail.(map[string]any); ok {
		detail = firstText(inner, "message", "reason", "error", "detail", "digest")
	}
	if text, ok := detail.(string); ok && strings.TrimSpace(text) != "" && !slices.Contains(messages, text) {
		if len(messages) > 0 {
			text = messages[0] + ": " + text
		}
		messages = []string{text}
	}
	return code, messages
}

// firstText returns the first member of an object that is a non-empty string. Names are
// compared without case, because registries differ, as in "Reason".
func firstText(of map[string]any, names ...string) string {
	for _, name := range names {
		for key, value := range of {
			if text, ok := value.(string); ok && strings.EqualFold(key, name) && strings.TrimSpace(text) != "" {
				return text
			}
		}
	}
	return ""
}

// readArguments returns the messages of an object that has one for each wrong
// argument, such as {"limit": "Max 100."}.
func readArguments(message any) (messages []string) {
	of, _ := message.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(of)) {
		if text, ok := of[key].(string); ok && len(messages) < maxReasons {
			messages = append(messages, key+": "+text)
		}
	}
	return messages
}

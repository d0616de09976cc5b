// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"bytes"
	"encoding/json"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A shape is one of the forms of a Quay's error answers (doc/quay-api.md section 3).
type shape int

const (
	shapeOther   shape = iota // empty, or none of these
	shapeProblem              // A: detail, error_message, error_type, title, type, status
	shapeError                // B: {"error": text}, sent as text/html
	shapeMessage              // C: {"message": text or object}
	shapeErrors               // D: {"errors": [{code, message, detail}]}
	shapePage                 // E: an HTML page
	shapeText                 // plain text, as proxies send
)

// readProblem returns the message and the code for the error in the body of an
// answer, as the server sent them. It ignores the content type, because shape B
// comes as HTML.
func readProblem(body []byte) (message, kind string, s shape) {
	body = bytes.TrimSpace(body)
	var doc any
	if json.Unmarshal(body, &doc) == nil {
		object, ok := doc.(map[string]any)
		if !ok {
			return words(doc), "", shapeOther
		}
		return readObject(object)
	}
	if bytes.HasPrefix(body, []byte("<")) {
		return title(body), "", shapePage
	}
	if len(body) == 0 {
		return "", "", shapeOther
	}
	return string(body), "", shapeText
}

// readObject returns the message and the code of an object, looking for the shapes in
// the order of doc/quay-api.md section 3.
func readObject(o map[string]any) (message, kind string, s shape) {
	errs, _ := o["errors"].([]any)
	switch {
	case has(o, "detail", "error_message", "error_type"):
		s = shapeProblem
	case has(o, "error"):
		s = shapeError
	case has(o, "message"):
		s = shapeMessage
	case len(errs) > 0:
		s = shapeErrors
		if first, ok := errs[0].(map[string]any); ok {
			code, _ := first["code"].(string)
			return words(first["message"]), code, s
		}
	}
	for _, key := range []string{"detail", "error_message", "error", "message"} {
		if message = words(o[key]); message != "" {
			break
		}
	}
	kind, _ = o["error_type"].(string)
	return message, kind, s
}

// has reports whether o has one of the keys with a value other than null.
func has(o map[string]any, keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return o[k] != nil })
}

// words returns a value as text. Some messages are an object of texts by parameter.
func words(v any) string { return flatten(v, 3) }

// flatten joins the texts of a value, at most depth levels deep.
func flatten(v any, depth int) string {
	var parts []string
	switch v := v.(type) {
	case string:
		return v
	case []any:
		for i := 0; i < len(v) && depth > 0; i++ {
			parts = append(parts, flatten(v[i], depth-1))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if depth > 0 {
				parts = append(parts, key+": "+flatten(v[key], depth-1))
			}
		}
	}
	return strings.Join(parts, "; ")
}

var titles = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`) })

// title returns the title of an HTML page, without the status that nginx writes first,
// or "".
func title(page []byte) string {
	m := titles().FindSubmatch(page)
	if m == nil {
		return ""
	}
	t := strings.TrimSpace(html.UnescapeString(string(m[1])))
	if status, rest, found := strings.Cut(t, " "); found && len(status) == 3 && strings.Trim(status, "0123456789") == "" {
		return rest
	}
	return t
}

// minEcho is the length in bytes from which a token is removed from data. A shorter
// token might be a part of a real name. Quay's tokens have 40 bytes.
const minEcho = 20

// hideEchoes removes the token from an answer, because names in the answer are
// printed as data.
func (c *core) hideEchoes(body []byte) []byte {
	if len(c.token.Reveal()) < minEcho {
		return body
	}
	text := string(body)
	if hidden := c.redactor.Text(text); hidden != text {
		return []byte(hidden)
	}
	return body
}

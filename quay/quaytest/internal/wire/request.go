// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Origin returns the server's scheme and host as the client knows them, for
// absolute links (doc/quay-api.md section 2, "URL form").
func Origin(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	return scheme + r.Host
}

// MaxRequestLine is the length of the longest request line that Quay's
// application server accepts, without the line end (doc/quay-api.md section 6,
// "sizes").
const MaxRequestLine = 4094

// RequestLine returns the length of the request line without the line end. Over
// HTTP/2 it is the length of the line that nginx sends to the application server.
func RequestLine(r *http.Request) int {
	return len(r.Method) + len(r.RequestURI) + len("  HTTP/1.1")
}

var slashes = Pattern(`//+`)

// MergeSlashes replaces each run of slashes in a path by one.
func MergeSlashes(path string) string { return slashes().ReplaceAllString(path, "/") }

// Pattern returns a function that compiles a regular expression on its first call.
// Compiling all of them at start would cost every command that links this package.
func Pattern(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// DecodeSegment decodes one part of a JWT, and reports whether it is JSON.
func DecodeSegment(s string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	return err == nil && json.NewDecoder(bytes.NewReader(text)).Decode(into) == nil
}

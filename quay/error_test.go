// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// refusal asks a server that answers everything so, and returns the error.
func refusal(t testing.TB, status int, contentType, body string, opts ...quay.Option) *quay.Error {
	t.Helper()
	_, err := client(t, canned(t, say(status, contentType, body)), opts...).Tag(context.Background(), repo("org/r"), "v1")
	e, ok := errors.AsType[*quay.Error](err)
	if !ok {
		t.Fatalf("error is %T %v", err, err)
	}
	return e
}

// TestMessageIsFoundInEveryShape has the shapes of doc/quay-api.md section 3,
// each under content types that fit and do not.
func TestMessageIsFoundInEveryShape(t *testing.T) {
	const html = "<html>\r\n<head><title>%s</title></head>\r\n<body><h1>x</h1></body></html>"
	for _, c := range []struct{ name, body, message, kind string }{
		{"A", `{"detail": "Requires authentication", "error_message": "m", "error_type": "invalid_token", "title": "invalid_token", "type": "https://quay.test/api/v1/error/invalid_token", "status": 401}`, "Requires authentication", "invalid_token"},
		{"A with more", `{"session_required": false, "detail": "d", "error_type": "invalid_token"}`, "d", "invalid_token"},
		{"A without detail", `{"detail": null, "error_message": "m", "error_type": "x"}`, "m", "x"},
		{"A of an object", `{"detail": {"a": "b"}, "error_type": "x"}`, "a: b", "x"},
		{"B", `{"error": "Anonymous access is not allowed (authorized: x)"}`, "Anonymous access is not allowed (authorized: x)", ""},
		{"C", `{"message": "A string literal cannot contain NUL (0x00) characters."}`, "A string literal cannot contain NUL (0x00) characters.", ""},
		{"C of an object", `{"message": {"page": "Page index.", "limit": "Limit."}}`, "limit: Limit.; page: Page index.", ""},
		{"C, read-only", `{"message": "System is currently read-only", "is_readonly": true}`, "System is currently read-only", ""},
		{"D", `{"errors": [{"code": "UNAUTHORIZED", "message": "access to the requested resource is not authorized", "detail": {}}]}`, "access to the requested resource is not authorized", "UNAUTHORIZED"},
		{"E of nginx", fmt.Sprintf(html, "429 Too Many Requests"), "Too Many Requests", ""},
		{"E of gunicorn", fmt.Sprintf(html, "Internal Server Error"), "Internal Server Error", ""},
		{"E in capitals", "<HTML><TITLE class=x>\n Bad &amp; worse \n</TITLE>", "Bad & worse", ""},
		{"E without a title", "<html><body>secret page</body></html>", "I'm a teapot", ""},
		{"E that breaks off", "<!DOCTYPE html><html><title>Half", "I'm a teapot", ""},
		{"E empty", "", "I'm a teapot", ""},
		{"text", "upstream connect error or disconnect/reset before headers\n", "upstream connect error or disconnect/reset before headers", ""},
		{"a text in JSON", `"no"`, "no", ""},
		{"a list in JSON", `["no", "never"]`, "no; never", ""},
		{"true", "true", "I'm a teapot", ""},
		{"null", "null", "I'm a teapot", ""},
		{"an unknown object", `{"status": 418}`, "I'm a teapot", ""},
		{"numbers for texts", `{"detail": 5, "error_type": 7, "message": "m"}`, "m", ""},
		{"errors without any", `{"errors": []}`, "I'm a teapot", ""},
		{"errors of texts", `{"errors": ["no"]}`, "I'm a teapot", ""},
	} {
		for _, contentType := range []string{"application/json", "text/html; charset=utf-8", ""} {
			e := refusal(t, 418, contentType, c.body)
			if e.Message != c.message || e.Type != c.kind {
				t.Errorf("%s as %q: message %q, type %q, want %q, %q", c.name, contentType, e.Message, e.Type, c.message, c.kind)
			}
			if want := "quay: look up tag org/r:v1: 418: " + c.message; e.Error() != want {
				t.Errorf("%s: error %q, want %q", c.name, e, want)
			}
		}
	}
}

func TestMessagesAreFitToBeShown(t *testing.T) {
	long := strings.Repeat("long ", 50_000)
	for _, body := range []string{
		"bad\x1b[31m\x00 news\r\n\tof\u202etext\u0085 \xff",
		`{"error": "a\u001b]0;title\u0007b\nc\u2028d"}`,
		"<title>\x1b[2J&#27;[31mred</title>",
		long, `{"detail": "` + long + `"}`, "<title>" + long,
		`{"message": ` + strings.Repeat(`{"a":`, 5000) + `"deep"` + strings.Repeat("}", 5000) + "}",
		`{"detail": "x", "error_type": "\u001b[31m` + long + `"}`,
	} {
		e := refusal(t, 418, "text/html", body)
		for _, s := range []string{e.Error(), e.Message, e.Type} {
			if strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, "\u202e") || len(s) > 700 {
				t.Errorf("not fit: %d bytes, %.80q", len(s), s)
			}
		}
	}
}

// TestErrorBodiesAreCapped: an error's body is not read beyond 64 KiB.
func TestErrorBodiesAreCapped(t *testing.T) {
	read := 0
	body := func() int { read += 4096; return 4096 }
	tr := transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 500, Request: r, Body: io.NopCloser(endlessBody(body))}, nil
	})
	_, err := client(t, "http://quay.test", quay.WithTransport(tr)).Tag(t.Context(), repo("org/r"), "v1")
	wantError(t, err, "unavailable")
	if read < 64<<10 || read > 128<<10 {
		t.Errorf("%d bytes read, want some 64 KiB", read)
	}
}

// endlessBody never ends. Each read returns a set number of bytes.
type endlessBody func() int

func (f endlessBody) Read(p []byte) (int, error) {
	n := min(f(), len(p))
	for i := range n {
		p[i] = 'x'
	}
	return n, nil
}

func TestAnswersAreBounded(t *testing.T) {
	tr := transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Request: r, ContentLength: -1,
			Body: io.NopCloser(endlessBody(func() int { return 1 << 20 }))}, nil
	})
	c := client(t, "http://quay.test", quay.WithTransport(tr))
	_, err := drain(t, list(c, "org"))
	wantError(t, err, "malformed", "body too large: over 33554432 bytes")
}

// TestStatuses has every status of doc/quay-api.md section 3, and others.
func TestStatuses(t *testing.T) {
	for status, want := range map[int]string{
		201: "malformed", 204: "malformed", 304: "unavailable", 400: "none", 402: "none",
		401: "unauthenticated", 403: "forbidden", 404: "unavailable", 405: "none", 414: "none",
		429: "rate limited", 500: "unavailable", 501: "unavailable", 502: "unavailable",
		503: "unavailable", 504: "unavailable", 520: "unavailable", 599: "unavailable",
	} {
		if e := refusal(t, status, "text/html", ""); kind(e) != want || e.Status != status {
			t.Errorf("%d: status %d, kind %s, want %s: %v", status, e.Status, kind(e), want, e)
		}
	}
}

func TestRetryAfterIsTold(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "soon": 0,
		time.Now().Add(time.Hour + time.Second/2).UTC().Format(http.TimeFormat): time.Hour,
	} {
		url := canned(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(429)
		})
		_, err := client(t, url).Tag(t.Context(), repo("org/r"), "v1")
		e := wantError(t, err, "rate limited")
		if d := e.RetryAfter - want; d.Abs() > want/100 { // a date is not read at once
			t.Errorf("Retry-After %q is %v, want %v", header, e.RetryAfter, want)
		}
		if want > 0 != strings.Contains(err.Error(), "try again in") {
			t.Errorf("Retry-After %q: %v", header, err)
		}
	}
}

// TestServersThatAreNoQuay has the errors of a mistyped address.
func TestServersThatAreNoQuay(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
		words      []string
	}{
		{200, "<!doctype html><html><head><title>Example Domain</title></head>", "malformed", []string{`a web page, "Example Domain"`, "a Quay"}},
		{200, "<html></html>", "malformed", []string{"a web page", "a Quay"}},
		{200, "hello", "malformed", []string{"not JSON", "a Quay"}},
		{200, "", "malformed", []string{"the answer is empty", "a Quay"}},
		{200, `{"repositories": [`, "malformed", []string{"not JSON"}},
		{200, `{"repositories": []} {}`, "malformed", []string{"not JSON"}},
		{204, "", "malformed", []string{"a Quay"}},
		{404, "404 page not found", "unavailable", []string{"404: 404 page not found", "a Quay"}},
		{400, "Client sent an HTTP request to an HTTPS server.\n", "unavailable", []string{"400: Client sent an HTTP request to an HTTPS server.", "https://"}},
		{400, "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>", "unavailable", []string{"https://"}},
		{400, "Bad HTTP request", "none", []string{"400: Bad HTTP request"}},
	} {
		cl := client(t, canned(t, say(c.status, "text/html", c.body)))
		_, err := drain(t, list(cl, "org"))
		wantError(t, err, c.want, append(c.words, "quay: list repositories org: ")...)
	}
}

func TestNoServer(t *testing.T) {
	url := canned(t, nil)
	plain := client(t, strings.Replace(url, "http://", "https://", 1))
	_, err := drain(t, list(plain, "org"))
	e := wantError(t, err, "unavailable", "plain HTTP")
	if e.Status != 0 || errors.Unwrap(err) == nil {
		t.Errorf("status %d, cause %v", e.Status, errors.Unwrap(err))
	}

	s := embedded(t)
	s.Close()
	_, err = drain(t, list(client(t, s.URL()), "org"))
	wantError(t, err, "unavailable", "quay: list repositories org: dial tcp", "refused")

	tls := embedded(t, quaytest.WithTLS())
	_, err = drain(t, list(client(t, tls.URL()), "org"))
	wantError(t, err, "unavailable", "certificate", "add that CA")
}

// TestOnlyTheCallersContextIsAContextError: a timeout below looks like one to
// errors.Is, and must not pass for the end of the caller's own.
func TestOnlyTheCallersContextIsAContextError(t *testing.T) {
	for _, below := range []error{context.DeadlineExceeded, fmt.Errorf("dial: %w", context.Canceled)} {
		tr := transport(func(*http.Request) (*http.Response, error) { return nil, below })
		c := client(t, "http://quay.test", quay.WithTransport(tr))
		_, err := c.Tag(t.Context(), repo("org/r"), "v1")
		wantError(t, err, "unavailable", below.Error())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.Tag(ctx, repo("org/r"), "v1")
		if e := wantError(t, err, "canceled"); e.Err != context.Canceled {
			t.Errorf("cause is %v", e.Err)
		}
	}
}

// TestCancelledWhileAnErrorComesIn: the error is the context's.
func TestCancelledWhileAnErrorComesIn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr := transport(func(r *http.Request) (*http.Response, error) {
		body := endlessBody(func() int { cancel(); return 4096 })
		return &http.Response{StatusCode: 500, Request: r, Body: io.NopCloser(body)}, nil
	})
	c := client(t, "http://quay.test", quay.WithTransport(tr))
	_, err := c.Tag(ctx, repo("org/r"), "v1")
	wantError(t, err, "canceled", "look up tag org/r:v1")
}

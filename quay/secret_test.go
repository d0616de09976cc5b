// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay"
)

const hush = "hu5h<&+/%s>toKen==\"x\""

// shows reports whether a text has the token in it, however it is escaped.
func shows(s string) bool {
	return strings.Contains(s, "hu5h") || strings.Contains(s, "toKen")
}

// TestTheTokenIsNowhere has a server that repeats the token wherever it can,
// and looks at all that comes out of the client.
func TestTheTokenIsNowhere(t *testing.T) {
	quoted, _ := json.Marshal(hush)
	said := []string{
		`{"detail": ` + string(quoted) + `, "error_type": ` + string(quoted) + `}`,
		`{"error": "bad token ` + string(quoted[1:len(quoted)-1]) + `!"}`,
		`{"message": {` + string(quoted) + `: ` + string(quoted) + `}}`,
		`{"errors": [{"code": ` + string(quoted) + `, "message": ` + string(quoted) + `}]}`,
		"<title>" + html.EscapeString(hush) + "</title>", "<title>" + hush + "</title>",
		"bad " + hush, "bad " + url.QueryEscape(hush), strings.Repeat("x", 290) + hush,
		`{"error": "cut off ` + string(quoted[1:len(quoted)-1]),
		`{"repositories": [{"namespace": ` + string(quoted) + `}]}`,
		`{"repositories": [` + entry("name", string(quoted), "state", "5") + `]}`,
		`{"repositories": [` + entry("namespace", string(quoted)) + `]}`,
		`{"tags": [` + row("name", string(quoted), "size", "true") + `]}`,
		`{"repositories": [` + entry("name", `"`+strings.Repeat("x", 70)+string(quoted[1:]), "state", "") + `]}`,
		`{"repositories": [` + entry("name", `"`+strings.Repeat("x", 250)+string(quoted[1:]), "state", "") + `]}`,
		`{"tags": [` + row("manifest_digest", string(quoted)) + `]}`,
	}
	for _, status := range []int{200, 204, 301, 400, 401, 403, 404, 405, 418, 429, 500, 502} {
		for _, body := range said {
			base := canned(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.String()+r.Referer()+r.UserAgent(), "hu5h") {
					t.Errorf("the token is in %s", r.URL)
				}
				if r.Header.Get("Authorization") != "Bearer "+hush {
					t.Errorf("Authorization is %q", r.Header.Get("Authorization"))
				}
				w.Header().Set("Location", "https://"+url.PathEscape(hush)+".test/?t="+url.QueryEscape(hush))
				w.WriteHeader(status)
				if status != 204 {
					fmt.Fprint(w, body)
				}
			})
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c := client(t, base, quay.WithToken(hush), quay.WithLogger(logger))
			var errs []error
			_, err := drain(t, list(c, "org"))
			errs = append(errs, err)
			_, err = c.Tag(t.Context(), repo("org/r"), "v1")
			errs = append(errs, err)
			_, err = drain(t, c.Tags(t.Context(), repo("org/r"), quay.TagQuery{History: true}))
			errs = append(errs, err)
			_, err = c.Namespace(t.Context(), "org")
			errs = append(errs, err)
			_, err = c.CheckToken(t.Context())
			errs = append(errs, err)
			for _, err := range errs {
				for ; err != nil; err = errors.Unwrap(err) {
					if s := fmt.Sprintf("%v %+v %#v", err, err, err); shows(s) {
						t.Errorf("%d %s: shown in %s", status, body, s)
					}
					if e, ok := err.(*quay.Error); ok && shows(fmt.Sprintf("%+v", *e)) {
						t.Errorf("%d %s: shown in %+v", status, body, *e)
					}
				}
			}
			if shows(log.String()) || !strings.Contains(log.String(), "http exchange") {
				t.Errorf("%d %s: logged\n%s", status, body, log.String())
			}
		}
	}
}

// A server that lists repositories and tags by the name of the token gets no token
// printed as data: that is one name that cannot be.
func TestTheTokenIsNoData(t *testing.T) {
	const token = "hu5hhu5hhu5hhu5hhu5hhu5hhu5hhu5hhu5hhu5h"
	base := canned(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tag/") {
			fmt.Fprint(w, `{"tags": [`+row("name", `"`+token+`"`)+`], "page": 1, "has_additional": false}`)
			return
		}
		fmt.Fprint(w, `{"repositories": [`+entry("name", `"x`+token+`"`)+`, `+entry("name", `"good"`)+`]}`)
	})
	c := client(t, base, quay.WithToken(token))
	repositories, err := drain(t, list(c, "org"))
	if s := fmt.Sprintf("%+v %v", repositories, err); shows(s) || !strings.Contains(s, "good") {
		t.Errorf("repositories: %s", s)
	}
	tags, err := drain(t, c.Tags(t.Context(), repo("org/r"), quay.TagQuery{History: true}))
	if s := fmt.Sprintf("%+v %v", tags, err); shows(s) {
		t.Errorf("tags: %s", s)
	}
}

// TestTheTokenInNetworkErrors: what a transport says can repeat a header.
func TestTheTokenInNetworkErrors(t *testing.T) {
	tr := transport(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("malformed response %q: %w", r.Header.Get("Authorization"), errors.New(hush))
	})
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := client(t, "http://quay.test", quay.WithToken(hush), quay.WithLogger(logger), quay.WithTransport(tr))
	_, err := c.Tag(t.Context(), repo("org/r"), "v1")
	wantError(t, err, "unavailable", "malformed response", "[redacted]")
	for e := err; e != nil; e = errors.Unwrap(e) {
		if shows(fmt.Sprintf("%v %+v %#v", e, e, e)) {
			t.Errorf("shown in %+v", e)
		}
	}
	if shows(log.String()) {
		t.Errorf("logged:\n%s", log.String())
	}
}

func TestPrintingAClientHidesTheToken(t *testing.T) {
	c := client(t, "http://quay.test", quay.WithToken(hush))
	for _, v := range []any{c, *c, c.Anonymous(), struct{ C *quay.Client }{c}, []any{*c}, quay.WithToken(hush)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			s := fmt.Sprintf(verb, v)
			if shows(s) || strings.Contains(s, fmt.Sprintf("%x", hush)) {
				t.Errorf("%s of %T shows it: %s", verb, v, s)
			}
		}
	}
}

// TestTheTokenInARedirect: a server may lead to an address of its own that
// repeats the token. It is followed, and not logged.
func TestTheTokenInARedirect(t *testing.T) {
	base := canned(t, func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("t") {
			w.Header().Set("Location", "/again/"+url.PathEscape(hush)+"?t="+url.QueryEscape(hush))
			w.WriteHeader(307)
			return
		}
		fmt.Fprint(w, listing(0, 1, ""))
	})
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	repos, err := drain(t, list(client(t, base, quay.WithToken(hush), quay.WithLogger(logger)), "org"))
	if err != nil || len(repos) != 1 {
		t.Errorf("%v, %v", repos, err)
	}
	if shows(log.String()) || !strings.Contains(log.String(), "/again/[redacted]?t=[redacted]") {
		t.Errorf("logged:\n%s", log.String())
	}
}

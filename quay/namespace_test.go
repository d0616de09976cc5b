// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestNamespace(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL(), quay.WithToken(outsiderToken))
	for _, tc := range []struct {
		name     string
		want     quay.NamespaceKind
		requests int64
	}{
		{"harbourline", quay.Organization, 1},
		{"closedharbour", quay.Organization, 1},
		{"offharbour", quay.Organization, 1},
		{"alice", quay.User, 2},
		{"no-such-harbour", "", 2},
		{"HarbourLine", "", 2},
	} {
		before := s.Stats().Requests
		got, err := c.Namespace(t.Context(), tc.name)
		if tc.want == "" {
			wantError(t, err, "not found", "quay: look up namespace "+tc.name+": 404: neither an organization nor a user")
		} else if err != nil || got != (quay.Namespace{Name: tc.name, Kind: tc.want}) {
			t.Errorf("%s: %+v, %v, want %s", tc.name, got, err, tc.want)
		}
		if n := s.Stats().Requests - before; n != tc.requests {
			t.Errorf("%s: %d requests, want %d", tc.name, n, tc.requests)
		}
	}
}

// TestNamespaceOfNobody: what a real Quay answers for a misspelt organization
// is a no, and what only a server in trouble answers is none. The body of the
// organization's route is recorded (namespace-organization), the one of the
// users' route is of doc/quay-api.md, "Corrections".
func TestNamespaceOfNobody(t *testing.T) {
	const (
		organization = `{"detail": "Not Found", "error_message": "Not Found", "error_type": "not_found", "title": "not_found", "type": "https://quay.test:8443/api/v1/error/not_found", "status": 404}`
		user         = `{"message": "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."}`
		page         = "<html><head><title>404 Not Found</title></head></html>"
	)
	for _, c := range []struct {
		name, organization, user string
		status                   int // of the users' route
		want                     string
	}{
		{"a real Quay", organization, user, 404, "not found"},
		{"an older Quay", organization, organization, 404, "not found"},
		{"the backend died between", organization, page, 404, "unavailable"},
		{"the backend is dead", page, user, 404, "unavailable"},
		{"a framework's answer for the organization", user, user, 404, "unavailable"},
		{"an empty answer", organization, "", 404, "unavailable"},
		{"a text", organization, "404 page not found", 404, "unavailable"},
		{"the database is down", organization, page, 500, "unavailable"},
		{"no anonymous access", organization, `{"error": "Anonymous access is not allowed"}`, 401, "unauthenticated"},
	} {
		url := canned(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v1/users/no-such-harbour" {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.user)
				return
			}
			w.WriteHeader(404)
			fmt.Fprint(w, c.organization)
		})
		_, err := client(t, url).Namespace(t.Context(), "no-such-harbour")
		e := wantError(t, err, c.want, "look up namespace no-such-harbour")
		if no := strings.Contains(e.Error(), "neither an organization nor a user"); no != (c.want == "not found") {
			t.Errorf("%s: %v", c.name, e)
		}
	}
}

func TestNamespaceMalformed(t *testing.T) {
	const notFound = `{"detail": "Not Found", "error_message": "Not Found", "error_type": "not_found", "title": "not_found", "status": 404}`
	for _, c := range []struct{ organization, user, words string }{
		{`{}`, "", "name is missing"},
		{`{"name": 7}`, "", "name is of type number, want string"},
		{`{"name": "a\tb"}`, "", "name is no name"},
		{`[]`, "", "the answer is of type array, want object"},
		{"<html><title>Welcome</title>", "", `not JSON`},
		{"", "[]", "the answer is of type array, want object"},
		{"", "null", "the answer is null"},
	} {
		url := canned(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/api/v1/users/org":
				fmt.Fprint(w, c.user)
			case c.user != "":
				w.WriteHeader(404)
				fmt.Fprint(w, notFound)
			default:
				fmt.Fprint(w, c.organization)
			}
		})
		_, err := client(t, url).Namespace(t.Context(), "org")
		if c.words == "not JSON" {
			c.words = `web page, "Welcome"`
		}
		wantError(t, err, "malformed", "look up namespace org", c.words)
	}
}

func TestCheckToken(t *testing.T) {
	s := embedded(t)
	for _, c := range []struct {
		token string
		want  quay.TokenStatus
		text  string
	}{
		{"", quay.TokenAbsent, "absent"},
		{ownerToken, quay.TokenAccepted, "accepted"},
		{"${alice-user-read}", quay.TokenAccepted, "accepted"},
		{"${alice-bad-scope}", quay.TokenAccepted, "accepted"}, // what it may read is another question
		{unknownToken, quay.TokenIgnored, "ignored"},
		{"${alice-expired}", quay.TokenIgnored, "ignored"},
		{"${robot}", quay.TokenIgnored, "ignored"},
	} {
		cl := client(t, s.URL(), quay.WithToken(c.token))
		got, err := cl.CheckToken(t.Context())
		if got != c.want || got.String() != c.text || err != nil {
			t.Errorf("%q: %v, %v, want %s", c.token, got, err, c.text)
		}
		if n := cl.Stats().Requests; n != min(int64(len(c.token)), 1) {
			t.Errorf("%q: %d requests", c.token, n)
		}
		if got, err := cl.Anonymous().CheckToken(t.Context()); got != quay.TokenAbsent || err != nil {
			t.Errorf("%q: an anonymous client: %v, %v", c.token, got, err)
		}
	}
	// Where no anonymous caller is admitted, 401 says the same as 400.
	closed := embedded(t, quaytest.WithQuirk("no-anonymous", ""))
	if got, err := client(t, closed.URL(), quay.WithToken(unknownToken)).CheckToken(t.Context()); got != quay.TokenIgnored || err != nil {
		t.Errorf("without anonymous access: %v, %v, want ignored", got, err)
	}
	if s := quay.TokenStatus(9).String(); s != "TokenStatus(9)" {
		t.Errorf("String is %q", s)
	}
}

// TestCheckTokenCannotTell: answers that are neither.
func TestCheckTokenCannotTell(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{400, `{"error": "API calls must be invoked with an X-Requested-With header if called from a browser"}`, "none"},
		{400, "<html><head><title>400 Request Header Or Cookie Too Large</title></head></html>", "none"},
		{401, `{"error": "Issuer nobody not configured"}`, "unauthenticated"},
		{500, "<html>", "unavailable"},
		{200, `{}`, "malformed"},
		{200, `[]`, "malformed"},
		{200, `<html>`, "malformed"},
	} {
		got, err := client(t, canned(t, say(c.status, "text/html", c.body)), quay.WithToken("x")).CheckToken(t.Context())
		if e := wantError(t, err, c.want, "quay: check token: "); got != quay.TokenAbsent || e.Subject != "" {
			t.Errorf("%s: %v, %+v", c.body, got, e)
		}
	}
}

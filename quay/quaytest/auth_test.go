// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay/quaytest"
)

// Which tokens may see a private repository's tags (doc/quay-api.md section 3, the
// table, and section 4, "Scopes").
func TestRightsToRead(t *testing.T) {
	d := recordedDataset(t)
	for _, scope := range []string{"repo:write", "repo:create", "user:read repo:read", "super:user"} {
		d.Tokens = append(d.Tokens, quaytest.Token{Name: "alice-" + strings.ReplaceAll(scope, " ", "+"), User: "alice", Scope: scope})
	}
	d.Tokens = append(d.Tokens, quaytest.Token{Name: "bob-user-read", User: "bob", Scope: "user:read"},
		quaytest.Token{Name: "of-nobody", User: "nobody", Scope: "repo:read"})
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, c := range []struct {
		token                               string
		public, private, shared, own, never int
	}{
		{"", 200, 401, 401, 401, 401},
		{"of-nobody", 200, 401, 401, 401, 401},
		{"${alice-expired}", 200, 401, 401, 401, 401},
		{"${gone-repo-read}", 200, 401, 401, 401, 401},
		{"${robot}", 200, 401, 401, 401, 401},
		{"${alice-repo-read}", 200, 200, 200, 200, 404},
		{"alice-repo:write", 200, 200, 200, 200, 404},
		{"${alice-repo-admin}", 200, 200, 200, 200, 404},
		{"alice-user:read+repo:read", 200, 200, 200, 200, 404},
		{"${alice-org-admin}", 200, 403, 403, 403, 403},
		{"alice-repo:create", 200, 403, 403, 403, 403},
		{"alice-super:user", 200, 403, 403, 403, 403},
		{"${bob-repo-read}", 200, 403, 200, 403, 403},
		{"bob-user-read", 200, 403, 403, 403, 403},
		{"${alice-bad-scope}", 500, 500, 500, 500, 500},
	} {
		for repository, want := range map[string]int{
			"harbourline/plain": c.public, "harbourline/private-one": c.private, "harbourline/private-shared": c.shared,
			"alice/own-private": c.own, "harbourline/never": c.never, "harbourline/marked-deleted": c.never,
		} {
			for _, path := range []string{"/tag/", ""} {
				target := "/api/v1/repository/" + repository + path
				if w := request(h, http.MethodGet, target, "Bearer "+c.token); w.Code != want {
					t.Errorf("%s with %q: %d, want %d", target, c.token, w.Code, want)
				}
			}
		}
	}
}

// doc/quay-api.md sections 3 and 4: a bearer token that looks like a JWT is refused;
// everything but one bearer token is anonymous.
func TestAuthorizationHeader(t *testing.T) {
	h := recordedQuay(t)
	segment := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	jwt := func(header, payload string) string {
		return segment(header) + "." + segment(payload) + "." + segment("x")
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:${password:alice}"))
	const ignored, unknown = "invalid_token", " not configured"
	for authorization, refused := range map[string]string{
		"Bearer ${alice-repo-read}":      "",
		"bearer ${alice-repo-read}":      "",
		"BEARER  ${alice-repo-read} ":    "",
		"Bearer":                         ignored,
		"Bearer ${alice-repo-read} more": ignored,
		"${alice-repo-read}":             ignored,
		"Token ${alice-repo-read}":       ignored,
		basic:                            ignored,
		"Bearer a.b.c":                   ignored,
		"Bearer " + jwt(`{"typ":"JWT"}`, `{"iss":"quay"}`):        "Issuer quay" + unknown,
		"Bearer " + jwt(`{"typ":"at+jwt"}`, `{"iss":"sso"}`):      "Issuer sso" + unknown,
		"Bearer " + jwt(`{"typ":"other"}`, `{"iss":"quay"}`):      ignored,
		"Bearer " + jwt(`{"alg":"none"}`, `{"iss":"quay"}`):       ignored,
		"Bearer " + jwt(`{"typ":"JWT"}`, `{"iss":"quay"}`) + ".x": ignored,
	} {
		want := http.StatusOK
		if refused != "" {
			want = http.StatusUnauthorized
		}
		w := request(h, http.MethodGet, "/api/v1/repository/harbourline/private-one/tag/", authorization)
		if w.Code != want || !strings.Contains(w.Body.String(), refused) {
			t.Errorf("%q: %d %s, want %d %s", authorization, w.Code, w.Body, want, refused)
		}
	}
}

// A disabled user cannot log in to the registry (doc/quay-api.md section 4).
func TestDisabledUserIsRefused(t *testing.T) {
	h := recordedQuay(t)
	for user, want := range map[string]int{"alice": 200, "gonefolk": 401} {
		credentials := base64.StdEncoding.EncodeToString([]byte(user + ":${password:" + user + "}"))
		w := request(h, http.MethodGet, "/v2/auth?service=quay.test&scope=repository:harbourline/plain:pull", "Basic "+credentials)
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", user, w.Code, w.Body, want)
		}
	}
}

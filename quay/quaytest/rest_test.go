// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

// recordedAt is when most of the recordings were made.
var recordedAt = time.Unix(1795446130, 0)

// recordedQuay returns a handler with the recorded server's content and clock.
func recordedQuay(t testing.TB, opts ...quaytest.Option) *quaytest.Handler {
	t.Helper()
	opts = append([]quaytest.Option{quaytest.WithClock(func() time.Time { return recordedAt })}, opts...)
	h, err := quaytest.NewHandler(recordedDataset(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// request sends a request with an Authorization header, or without one if that is "".
func request(h http.Handler, method, target, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "quay.test"
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get sends a request with a token of the dataset, or without one if that is "", and
// decodes the answer.
func get[T any](t testing.TB, h http.Handler, target, token string) (v T) {
	t.Helper()
	if token != "" {
		token = "Bearer " + token
	}
	w := request(h, http.MethodGet, target, token)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d\n%s", target, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s: %v\n%.300s", target, err, w.Body)
	}
	return v
}

// A pathCase is a request and the answer that it must get.
type pathCase struct {
	method, target string
	status         int
	kind           string // Content-Type
	location       string
}

const (
	page     = "text/html; charset=utf-8"
	document = "application/json"
)

// checkPaths sends the requests to a server with some odd repository names.
func checkPaths(t *testing.T, cases []pathCase) {
	t.Helper()
	d := recordedDataset(t)
	for _, name := range []string{"tag", "x/tag/b", "manifest/labels"} {
		d.Repositories = append(d.Repositories, quaytest.Repository{Namespace: "harbourline", Name: name, Public: true})
	}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, c := range cases {
		w := request(h, c.method, c.target, "")
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Location") != c.location {
			t.Errorf("%s %s: %d %q %q, want %d %q %q", c.method, c.target, w.Code, w.Header().Get("Content-Type"),
				w.Header().Get("Location"), c.status, c.kind, c.location)
		}
		if c.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("%s %s: body %q", c.method, c.target, w.Body)
		}
	}
}

// doc/quay-api.md section 2, "URL form": names with slashes, and redirects.
func TestPathsOfRepositories(t *testing.T) {
	checkPaths(t, []pathCase{
		{"GET", "/api/v1/repository/harbourline%2Fplain/tag/", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/tools%2Finner/deep/tag/", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/tag", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/tag/tag/", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/x/tag/b", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/x/tag/b/tag/", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/manifest/labels", 200, document, ""},
		{"GET", "/api/v1/repository/harbourline/tag/tag", 308, page, "http://quay.test/api/v1/repository/harbourline/tag/tag/"},
		{"GET", "/api/v1/repository/harbourline/tools/inner/deep/tag?limit=%31", 308, page,
			"http://quay.test/api/v1/repository/harbourline/tools/inner/deep/tag/?limit=%31"},
		{"GET", "/api/v1/user", 308, page, "http://quay.test/api/v1/user/"},
		{"GET", "/api/v1//repository?public=true", 308, page, "http://quay.test/api/v1/repository?public=true"},
		{"GET", "/api/v1/repository/harbourline/a%20b//tag/", 308, page, "http://quay.test/api/v1/repository/harbourline/a%20b/tag/"},
	})
}

// doc/quay-api.md section 3 and "Corrections": paths without a route, and routes that
// the embedded server only refuses.
func TestPathsWithoutRoute(t *testing.T) {
	checkPaths(t, []pathCase{
		{"GET", "/api/v1/repository/", 404, page, ""},
		{"GET", "/api/v1/repository/harbourline", 308, page, "http://quay.test/api/v1/repository/harbourline/"},
		{"GET", "/api/v1/repository/harbourline/", 404, page, ""},
		{"GET", "/api/v1/repository/harbourline/plain/tags/", 404, page, ""},
		{"GET", "/api/v1/repository/harbourline/plain/tags", 401, document, ""},
		{"GET", "/api/v1/repositories?namespace=x&a=%2F", 308, page, "http://quay.test/api/v1/repositories/?namespace=x&a=%2F"},
		{"GET", "/api/v2/repository", 308, page, "http://quay.test/api/v2/repository/"},
		{"GET", "/api/v1", 308, page, "http://quay.test/api/v1/"},
		{"GET", "/api/v1/", 404, page, ""},
		{"HEAD", "/api/v1/nonsense", 308, page, "http://quay.test/api/v1/nonsense/"},
		{"GET", "/api/v1/users/alice/", 404, page, ""},
		{"GET", "/api/v1/users/nobody", 404, document, ""},
		{"GET", "/api/v1/users/harbourline", 404, document, ""},
		{"GET", "/api/v1/user/starred", 401, document, ""},
		{"GET", "/api/v1/organization/harbourline/members", 401, document, ""},
		{"GET", "/api/v1/organization/harbourline/members/", 404, page, ""},
		{"GET", "/api/v1/organization/harbourline/nonsense", 308, page, "http://quay.test/api/v1/organization/harbourline/nonsense/"},
		{"GET", "/api/v1/repository/harbourline/plain/mirror", 401, document, ""},
		{"GET", "/api/v1/repository/harbourline/plain/permissions/user/", 401, document, ""},
		{"GET", "/api/v1/repository/harbourline/plain/permissions/user", 308, page, "http://quay.test/api/v1/repository/harbourline/plain/permissions/user/"},
		{"GET", "/api/v1/registry/capabilities", 200, document, ""},
		{"GET", "/api/v1/messages", 200, document, ""},
		{"GET", "/api/v1/discovery", 200, document, ""},
		{"GET", "/api/v1/find/all", 200, document, ""},
		{"GET", "/api/v1/find/all?query=a", 501, document, ""},
		{"GET", "/api/v1/error/not_found", 200, document, ""},
		{"GET", "/api/v1/error/nonsense", 404, document, ""},
		{"GET", "/api/v1/find/repositories?page=x", 400, document, ""},
		{"GET", "/api/v1/find/repositories", 200, document, ""},
		{"GET", "/harbourline/plain", 308, page, "http://quay.test/harbourline/plain/"},
		{"GET", "/harbourline/plain/", 302, page, "/repository/harbourline/plain?tab=tags&tag=latest"},
		{"GET", "/harbourline/private-one/", 403, page, ""},
		{"GET", "/v1/repositories/x/y", 404, page, ""},
		{"GET", "/api/v1/repository/harbourline/plain/", 404, page, ""},
		{"GET", "/api/v1/repository/harbourline/tag/", 404, page, ""},
		{"GET", "/api/v1/organization/harbourline/", 404, page, ""},
		{"GET", "/api/v1/organization", 308, page, "http://quay.test/api/v1/organization/"},
		{"GET", "/api/v1/nonsense/", 404, page, ""},
		{"GET", "/blobs/q/sha256/00/00/", 404, page, ""},
		{"GET", "/api/v1/repository/harbourline/pla%00in/tag/", 400, "text/html", ""},
	})
}

// doc/quay-api.md section 3: methods other than GET.
func TestMethods(t *testing.T) {
	checkPaths(t, []pathCase{
		{"HEAD", "/api/v1/repository/harbourline/plain/tag/", 200, document, ""},
		{"HEAD", "/api/v1/repository/harbourline/none/tag/", 401, document, ""},
		{"OPTIONS", "/api/v1/repository/harbourline/plain/tag/", 200, page, ""},
		{"DELETE", "/api/v1/repository/harbourline/plain/tag/", 405, document, ""},
		{"POST", "/api/v1/users/alice", 405, document, ""},
		// Pages of the web interface refuse methods as in recording registry-blob.
		{"POST", "/api/v1/nonsense", 405, page, ""},
		{"DELETE", "/api/v1/repository/harbourline/plain/", 405, page, ""},
		{"OPTIONS", "/api/v1/nonsense/", 200, page, ""},
		{"DELETE", "/api/v1/repository/harbourline/plain", 403, page, ""},
		{"PUT", "/api/v1/organization/harbourline", 403, page, ""},
	})
}

// A change is refused with an application token, too: the REST API is read-only.
func TestChangesAreRefused(t *testing.T) {
	w := request(recordedQuay(t), http.MethodDelete, "/api/v1/repository/harbourline/plain", "Bearer ${alice-repo-admin}")
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"is_readonly": true`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLinksFollowTheFrontEndsScheme(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/user", nil)
	r.Host = "quay.test"
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	recordedQuay(t).ServeHTTP(w, r)
	if got := w.Header().Get("Location"); got != "https://quay.test/api/v1/user/" {
		t.Errorf("location %q", got)
	}
}

// doc/quay-api.md section 3, require_xhr_from_browser.
func TestBrowsersMustShowAScript(t *testing.T) {
	h := recordedQuay(t)
	for _, c := range []struct {
		method, agent, with string
		status              int
	}{
		{"GET", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "", 400},
		{"GET", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15", "", 400},
		{"GET", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "XMLHttpRequest", 200},
		{"HEAD", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "", 200},
		{"GET", "quayside/1.0 (+https://github.com/quayside/quayside)", "", 200},
		{"GET", "Go-http-client/2.0", "", 200},
		{"GET", "curl/8.5.0", "", 200},
		{"GET", "", "", 200},
	} {
		r := httptest.NewRequest(c.method, "/api/v1/repository/harbourline/plain/tag/", nil)
		r.Header.Set("User-Agent", c.agent)
		r.Header.Set("X-Requested-With", c.with)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %q %q: status %d, want %d", c.method, c.agent, c.with, w.Code, c.status)
		}
	}
}

// Quirks of the REST API.
func TestRESTQuirks(t *testing.T) {
	const tags = "/api/v1/repository/harbourline/plain/tag/"
	for _, c := range []struct {
		quirk, value, target, token string
		status                      int
		body                        string
	}{
		{"no-anonymous", "", tags, "", 401, `{"error": "Anonymous access is not allowed"}`},
		{"no-anonymous", "", "/api/v1/repository?public=true", "nobody's", 401, `{"error": "Anonymous access is not allowed"}`},
		{"no-anonymous", "", tags, "${bob-repo-read}", 200, ""},
		{"mirror-registry", "", "/api/v1/repository?namespace=harbourline&public=true", "", 404, `{"error":"not found"}`},
		{"mirror-registry", "", tags, "", 405, `{"error":"method not allowed"}`},
		{"vanish", "harbourline/plain", tags, "", 401, ""},
		{"vanish", "harbourline/plain", tags, "${bob-repo-read}", 403, ""},
		{"vanish", "harbourline/plain", tags, "${alice-repo-read}", 404, ""},
		{"vanish", "harbourline/plain", "/api/v1/repository/harbourline/plain", "", 401, ""},
		{"vanish", "harbourline/plain", "/api/v1/repository/harbourline/moved/tag/", "", 200, ""},
	} {
		h := recordedQuay(t, quaytest.WithQuirk(c.quirk, c.value))
		authorization := ""
		if c.token != "" {
			authorization = "Bearer " + c.token
		}
		w := request(h, http.MethodGet, c.target, authorization)
		if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s %s %q: %d %s, want %d %s", c.quirk, c.target, c.token, w.Code, w.Body, c.status, c.body)
		}
	}
	if names := list(t, recordedQuay(t, quaytest.WithQuirk("vanish", "alice/own-public")), "namespace=alice&public=true", ""); len(names.Repositories) != 1 {
		t.Errorf("a repository that vanishes is not listed: %v", names)
	}
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

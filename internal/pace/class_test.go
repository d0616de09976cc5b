// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"net/http"
	"net/url"
	"testing"
)

// TestClassify has the locations of doc/quay-api.md section 6.
func TestClassify(t *testing.T) {
	for path, want := range map[string]class{
		"/api/v1/repository":                api,
		"/api/v1/repository/ns/repo/tag/":   api,
		"/quay/api/v1/user/":                api, // behind a prefix
		"/api/v1/repository/ns/v2/tag/":     api,
		"/v1/repositories/ns/repo/images":   api, // shares the zone
		"/v2/_catalog":                      api, // as well
		"/v2/auth":                          auth,
		"/v2/ns/repo/manifests/latest":      manifests,
		"/quay/v2/ns/repo/manifests/latest": manifests,
		"/v2/ns/api/manifests/v1":           manifests,
		"/v2/ns/repo/tags/list":             tags,
		"/v2/ns/repo/blobs/sha256:00":       blobs,
		"/v2/ns/a/b/blobs/sha256:00":        blobs,
		"/v2/":                              registry,
		"/v2/ns/a/b/manifests/latest":       registry, // nested
		"/v2/ns/a/b/tags/list":              registry,
		"/v2/ns/repo/referrers/sha256:00":   registry,
		"/sha256/00/0011223344?Expires=1":   other, // object storage
		"/":                                 other,
	} {
		u, err := url.Parse("https://quay.test" + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := classify(u); got != want {
			t.Errorf("%s is of class %v, want %v", path, got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		target, authorization string
		want                  kind
	}{
		{"/api/v1/repository?public=true", "", kind{listing: true}},
		{"/quay/api/v1/repository?next_page=x", "Bearer x", kind{listing: true, token: true}},
		{"/api/v1/repository/ns/repo/tag/", "", kind{}},
		{"/api/v1/repository/ns/repo/tag/", "Bearer x", kind{token: true}},
	} {
		req, err := http.NewRequest("GET", "https://quay.test"+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.authorization != "" {
			req.Header.Set("Authorization", c.authorization)
		}
		if got := kindOf(req); got != c.want {
			t.Errorf("%s %q is of kind %+v, want %+v", c.target, c.authorization, got, c.want)
		}
	}
}

func TestGoverned(t *testing.T) {
	for host, want := range map[string]bool{
		"quay.io": true, "cdn.quay.io": true, "notquay.io": false, "quay.io.example": false, "registry.example": false,
	} {
		if governed(host) != want {
			t.Errorf("governed(%q) = %v", host, !want)
		}
	}
}

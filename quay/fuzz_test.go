// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/quayside/quayside/quay"
)

// answering returns a client of a server that answers every request alike.
func answering(t testing.TB, status int, body []byte) *quay.Client {
	tr := transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Request: r, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}, nil
	})
	return client(t, "http://quay.test", quay.WithToken("hu5h-toKen"), quay.WithTransport(tr))
}

// sound fails the test if an error is not an *Error, is not printable, or contains the
// token.
func sound(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if _, ok := errors.AsType[*quay.Error](err); !ok {
		t.Errorf("error is %T", err)
	}
	s := fmt.Sprintf("%+v", err)
	if strings.ContainsFunc(s, unicode.IsControl) || len(s) > 4000 || strings.Contains(s, "hu5h-toKen") {
		t.Errorf("not fit to be shown: %q", s)
	}
}

// seed adds the recorded bodies of some scenarios, and odd ones.
func seed(f *testing.F, scenarios string) {
	files, err := filepath.Glob("testdata/recordings/" + scenarios)
	if err != nil || len(files) == 0 {
		f.Fatal("no recordings ", scenarios)
	}
	for _, file := range files {
		var rec recording
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if err := json.Unmarshal(data, &rec); err != nil {
			f.Fatal(err)
		}
		for _, x := range rec.Exchanges {
			if len(x.Response.Body) < 4096 {
				f.Add([]byte(x.Response.Body))
			}
		}
	}
	for _, s := range []string{"", "null", "{}", "[]", `"hu5h-toKen"`, "<title>", strings.Repeat("[", 100), "\xff\x00"} {
		f.Add([]byte(s))
	}
}

func FuzzErrorMessage(f *testing.F) {
	for _, scenarios := range []string{"tag-private.json", "tag-bad-paging.json", "token-jwt.json", "registry-auth.json", "outage-*.json", "http-long.json"} {
		seed(f, scenarios)
	}
	f.Add([]byte(`{"detail": "bad hu5h-toKen", "error_type": "hu5h-toKen"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, status := range []int{400, 401, 404, 500} {
			_, err := answering(t, status, body).Tag(t.Context(), repo("org/r"), "v1")
			if err == nil {
				t.Fatalf("%d is no error", status)
			}
			sound(t, err)
			if e, ok := errors.AsType[*quay.Error](err); ok && (e.Status != status || e.Message == "" || len([]rune(e.Message)) > 310) {
				t.Errorf("%+v", *e)
			}
		}
	})
}

func FuzzRepositories(f *testing.F) {
	seed(f, "list-[e-z]*.json")
	f.Add([]byte(listing(0, 2, "cursor")))
	f.Add([]byte(`{"repositories": [` + entry() + `]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		// Every page is the same, so nothing can come twice, and it ends.
		seen := map[quay.RepoName]bool{}
		query := quay.RepositoryQuery{Namespace: "org", LastModified: true, Popularity: true}
		repos, err := drain(t, answering(t, 200, body).Repositories(context.Background(), query))
		sound(t, err)
		for _, r := range repos {
			if seen[r.RepoName] || !strings.EqualFold(r.Namespace, "org") || r.Name == "" || r.State == "" || strings.ContainsFunc(r.Name+string(r.State), unicode.IsControl) {
				t.Errorf("%+v", r)
			}
			if _, err := r.LastModified.MarshalText(); err != nil {
				t.Error(err)
			}
			seen[r.RepoName] = true
		}
		if err == nil && !json.Valid(body) {
			t.Errorf("no error for %q", body)
		}
	})
}

func FuzzTags(f *testing.F) {
	seed(f, "tag-[f-p]*.json")
	f.Add([]byte(tagList(true, "a", "b")))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := answering(t, 200, body)
		for _, q := range []quay.TagQuery{{History: true}, {}, {History: true, Contains: "v"}} {
			tags, err := drain(t, c.Tags(context.Background(), repo("org/r"), q))
			sound(t, err)
			for _, tag := range tags {
				if tag.Name == "" || tag.Digest == "" || tag.Size < quay.SizeUnknown || !strings.Contains(tag.Name, q.Contains) {
					t.Errorf("%+v", tag)
				}
				for _, at := range []time.Time{tag.Start, tag.End} {
					if _, err := at.MarshalText(); err != nil {
						t.Error(err)
					}
				}
			}
		}
		tag, err := c.Tag(context.Background(), repo("org/r"), "v1")
		if sound(t, err); err == nil && tag.Name != "v1" {
			t.Errorf("%+v", tag)
		}
		if has, hasErr := c.HasTag(context.Background(), repo("org/r"), "v1"); has != (err == nil) || hasErr != nil && has {
			t.Errorf("HasTag %v, %v; Tag %v", has, hasErr, err)
		}
	})
}

func FuzzNamespace(f *testing.F) {
	seed(f, "namespace-*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		ns, err := answering(t, 200, body).Namespace(context.Background(), "org")
		if sound(t, err); err == nil && (ns.Name == "" || ns.Kind != quay.Organization) {
			t.Errorf("%+v", ns)
		}
	})
}

func FuzzCheckToken(f *testing.F) {
	seed(f, "token-probe.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, status := range []int{200, 400, 401} {
			got, err := answering(t, status, body).CheckToken(context.Background())
			if sound(t, err); err != nil && got != quay.TokenAbsent {
				t.Errorf("%v, %v", got, err)
			}
		}
	})
}

func FuzzParseRepoName(f *testing.F) {
	for _, s := range []string{"", "a/b", "a/b/c", "A/b", "a/B", "a//b", "a/../b", "☃/x", "a/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := quay.ParseRepoName(s)
		sound(t, err)
		if err == nil && (r.String() != s || strings.ContainsAny(s, " %?#\\") || strings.Contains(s, "..") && strings.Contains(s, "/..")) {
			t.Errorf("%q = %+v", s, r)
		}
	})
}

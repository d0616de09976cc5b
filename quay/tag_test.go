// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestTagExists(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL())
	for _, tc := range []struct {
		repo string
		want quay.Tag
	}{
		{"harbourline/plain", quay.Tag{
			Name: "2025.1", Size: 2000, Start: time.Date(2025, 12, 2, 0, 0, 0, 0, time.UTC),
			Digest: "sha256:84e97400dc21b3778d4a624bc80c92d497f01f3a54483b95093f8e03e153525a",
		}},
		{"harbourline/expiring", quay.Tag{
			Name: "2025.1", Size: 1000, Start: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC),
			End:    time.Unix(1821365470, 0).UTC(),
			Digest: "sha256:cf54a032c5c32ba1efb679f9abcb633ddd5fe4e4afce0a6904070f5052a84ad2",
		}},
		{"harbourline/reverted", quay.Tag{
			Name: "2025.1", Size: 1000, Start: time.Date(2025, 12, 3, 0, 0, 0, 0, time.UTC), Reversion: true,
			Digest: "sha256:0650105975e5896d67a0645dd8102b9c3e408984e49c4e2332d1990deddf5cd6",
		}},
		{"harbourline/multi-arch", quay.Tag{
			Name: "2025.1", Index: true, Size: quay.SizeUnknown, Start: time.Unix(1795445699, 0).UTC(),
			Digest: "sha256:f543ce80b823991a05d6cd876bfd60e4401a8743afe038ec6f16f96e50042b76",
			Coverage: &quay.IndexCoverage{Children: 2, PresentChildren: 2, Presence: map[digest.Digest]bool{
				"sha256:1043711a074cb56cffea6bb2ff1be47eac27cad7e150d730ac5ab1a4a0684727": true,
				"sha256:ece15641ad13935621b8168b013ff6f3fdbe3e1baf646f4f80ac7b60e340c4bb": true,
			}},
		}},
	} {
		got, err := c.Tag(t.Context(), repo(tc.repo), "2025.1")
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", tc.repo, err, diff)
		}
		if has, err := c.HasTag(t.Context(), repo(tc.repo), "2025.1"); !has || err != nil {
			t.Errorf("HasTag of %s: %v, %v", tc.repo, has, err)
		}
	}
	if n := s.Stats().Classes["tags"].Requests; n != 8 {
		t.Errorf("%d requests for 8 questions", n)
	}
}

func TestTagMissing(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL())
	for _, name := range []string{"9999.9", "2025", "025.1", "2025.10", "Latest"} {
		_, err := c.Tag(t.Context(), repo("harbourline/plain"), name)
		e := wantError(t, err, "tag not found", "quay: look up tag harbourline/plain:"+name+": no active tag of this name")
		if e.Subject != "harbourline/plain:"+name || e.Op != "look up tag" {
			t.Errorf("error has %q, %q", e.Op, e.Subject)
		}
		if has, err := c.HasTag(t.Context(), repo("harbourline/plain"), name); has || err != nil {
			t.Errorf("HasTag of %s: %v, %v", name, has, err)
		}
	}
	if n := s.Stats().Requests; n != 10 {
		t.Errorf("%d requests for 10 questions", n)
	}
}

func TestRepositoryNotFound(t *testing.T) {
	c := client(t, embedded(t).URL(), quay.WithToken(ownerToken))
	_, err := c.Tag(t.Context(), repo("harbourline/no-such-image"), "2025.1")
	e := wantError(t, err, "not found", "quay: look up tag harbourline/no-such-image:2025.1: 404: Not Found")
	if e.Status != 404 || e.Type != "not_found" {
		t.Errorf("status %d, type %q", e.Status, e.Type)
	}
	if has, err := c.HasTag(t.Context(), repo("harbourline/no-such-image"), "2025.1"); has || err != nil {
		t.Errorf("HasTag: %v, %v, want false, nil", has, err)
	}
	_, err = drain(t, c.Tags(t.Context(), repo("harbourline/no-such-image"), quay.TagQuery{History: true}))
	wantError(t, err, "not found", "quay: list tags harbourline/no-such-image: 404")
}

// A 404 that is not Quay's own is no "no" (doc/quay-api.md section 3: before
// v3.18.0 a dead backend was a 404 with an HTML page).
func TestForeignNotFound(t *testing.T) {
	for _, body := range []string{
		"<html><head><title>404 Not Found</title></head></html>",
		"", "404 page not found\n", `{"message": "no Route matched with those values"}`,
		`{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}`,
		`{"error": "not found"}`, // of the mirror registry, but not on the tag list
		`{"detail": "Not Found"}`,
	} {
		c := client(t, canned(t, say(404, "text/html", body)))
		_, err := c.HasTag(t.Context(), repo("harbourline/plain"), "2025.1")
		wantError(t, err, "unavailable", "404", "says nothing", c.Server())
	}
	c := client(t, embedded(t, quaytest.WithQuirk("html-404", "")).URL())
	_, err := c.HasTag(t.Context(), repo("harbourline/plain"), "2025.1")
	wantError(t, err, "unavailable")
	_, err = c.Namespace(t.Context(), "harbourline")
	wantError(t, err, "unavailable")
}

func TestUnauthorized(t *testing.T) {
	s := embedded(t)
	for _, name := range []string{"harbourline/private-one", "harbourline/no-such-image"} {
		_, err := client(t, s.URL()).HasTag(t.Context(), repo(name), "2025.1")
		e := wantError(t, err, "unauthenticated", "401: Requires authentication",
			"OAuth application token", "robot account does not work", "look alike")
		if e.Status != 401 || e.Type != "invalid_token" || e.Message != "Requires authentication" {
			t.Errorf("status %d, type %q, message %q", e.Status, e.Type, e.Message)
		}
		_, err = client(t, s.URL(), quay.WithToken(unknownToken)).HasTag(t.Context(), repo(name), "2025.1")
		wantError(t, err, "unauthenticated", "did not accept the token", "expired nor revoked", "robot account does not work", "look alike")
		_, err = client(t, s.URL(), quay.WithToken(outsiderToken)).HasTag(t.Context(), repo(name), "2025.1")
		wantError(t, err, "forbidden", "403: Unauthorized", "repo:read", "looks the same")
	}
	c := client(t, embedded(t, quaytest.WithQuirk("no-anonymous", "")).URL())
	_, err := c.HasTag(t.Context(), repo("harbourline/plain"), "2025.1")
	wantError(t, err, "unauthenticated", "401: Anonymous access is not allowed", "OAuth application token")
}

// A token whose scope is broken lists, and fails on every tag list (recording
// token-bad-scope).
func TestBrokenScope(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL(), quay.WithToken("${alice-bad-scope}"))
	if _, err := drain(t, list(c, "closedharbour")); err != nil {
		t.Errorf("listing: %v", err)
	}
	_, err := c.Tag(t.Context(), repo("harbourline/plain"), "2025.1")
	wantError(t, err, "unavailable", "500: Internal Server Error", "token's scope is broken", "new token")
	_, err = drain(t, c.Tags(t.Context(), repo("harbourline/plain"), quay.TagQuery{History: true}))
	wantError(t, err, "unavailable", "500: Internal Server Error", "token's scope is broken")
	if has, err := c.Anonymous().HasTag(t.Context(), repo("harbourline/plain"), "2025.1"); !has || err != nil {
		t.Errorf("anonymous: %v, %v", has, err)
	}
	crash := client(t, embedded(t, quaytest.WithQuirk("html-500", "")).URL())
	_, err = crash.Tag(t.Context(), repo("harbourline/plain"), "2025.1")
	if e := wantError(t, err, "unavailable"); e.Hint != "" {
		t.Errorf("without a token there is no scope to blame: %v", err)
	}
	crash = client(t, embedded(t, quaytest.WithQuirk("html-500", "")).URL(), quay.WithToken(ownerToken))
	_, err = drain(t, list(crash, "harbourline"))
	if e := wantError(t, err, "unavailable"); e.Hint != "" {
		t.Errorf("a listing does not depend on the scope: %v", err)
	}
}

// TestTagOfAnotherName has servers that answer with a tag that was not asked
// for: because they compare without case, or ignore specificTag. What they say
// is "no" only when there is nothing more.
func TestTagOfAnotherName(t *testing.T) {
	for _, c := range []struct {
		name  string
		pages []string
		want  string
	}{
		{"only that", []string{tagList(false, "V1")}, "tag not found"},
		{"more, and there it is not", []string{tagList(true, "V1"), tagList(true, "V1", "V2"), tagList(false, "V3")}, "tag not found"},
		{"more, and there it is", []string{tagList(true, "V1"), tagList(true, "V1", "V2"), tagList(false, "v1")}, "none"},
		{"does not say whether there is more", []string{`{"tags": [` + row("name", `"V1"`) + `]}`, tagList(false, "v1")}, "none"},
		{"limit ignored, too", []string{tagList(false, "V1", "v1")}, "none"},
		{"never the same", []string{tagList(true, "V1"), tagList(true)}, "malformed"},
		{"none, and more of them", []string{tagList(true)}, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			url := canned(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("specificTag") != "v1" {
					t.Errorf("asked %s", r.URL)
				}
				fmt.Fprint(w, c.pages[n])
				n++
			})
			tag, err := client(t, url).Tag(t.Context(), repo("org/r"), "v1")
			if got := kind(err); got != c.want || err == nil && tag.Name != "v1" {
				t.Errorf("%q, %v, want %s", tag.Name, err, c.want)
			}
			if n != len(c.pages) {
				t.Errorf("%d requests, want %d", n, len(c.pages))
			}
		})
	}
}

// row is one tag as a server sends it (doc/quay-api.md section 2), with changes.
func row(changes ...string) string {
	fields := []string{"name", `"v1"`, "reversion", "false", "start_ts", "1764633600",
		"manifest_digest", `"sha256:84e97400dc21b3778d4a624bc80c92d497f01f3a54483b95093f8e03e153525a"`,
		"is_manifest_list", "false", "size", "2000", "last_modified", `"Tue, 02 Dec 2025 00:00:00 -0000"`}
	return object(fields, changes)
}

// tagList is a page of tags with these names.
func tagList(more bool, names ...string) string {
	var rows []string
	for _, n := range names {
		rows = append(rows, row("name", fmt.Sprintf("%q", n)))
	}
	return fmt.Sprintf(`{"tags": [%s], "has_additional": %v}`, strings.Join(rows, ", "), more)
}

// TestTagNeedsItsFields changes one field of an answer at a time.
func TestTagNeedsItsFields(t *testing.T) {
	page := func(rows ...string) string {
		return `{"tags": [` + strings.Join(rows, ", ") + `], "page": 1, "has_additional": false}`
	}
	for _, c := range []struct{ body, words string }{
		{`{}`, "tags is missing"},
		{`{"tags": null}`, "tags is missing"},
		{`{"tags": [], "tags": null}`, "tags is missing"},
		{`{"message": "ok"}`, "tags is missing"},
		{`[]`, "the answer is of type array, want object"},
		{`{"tags": "v1"}`, "tags is of type string, want array"},
		{`{"tags": [], "has_additional": 1}`, "has_additional is of type number, want bool"},
		{page(`null`), "tag 1: name is missing"},
		{page(row("name", `"v0"`), row("name", "")), `tag 2: name is missing (its name: "")`},
		{page(row("name", "5")), "name is of type number, want string"},
		{page(row("name", `"a\nb"`)), "name is no name"},
		{page(row("manifest_digest", "")), `tag 1: manifest_digest is missing (its name: "v1")`},
		{page(row("manifest_digest", "null")), "manifest_digest is missing"},
		{page(row("manifest_digest", `""`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"latest"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha256:../../x"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha256:abc"`)), `manifest_digest is invalid: "sha256:abc"`},
		{page(row("manifest_digest", `"`+strings.Repeat("a", 64)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha256:`+strings.Repeat("a", 63)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha256:`+strings.Repeat("a", 65)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha256:`+strings.Repeat("a", 63)+`g"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha256:`+strings.Repeat("A", 64)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"SHA256:`+strings.Repeat("a", 64)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `" sha256:`+strings.Repeat("a", 64)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"md5:`+strings.Repeat("0", 32)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha1:`+strings.Repeat("0", 40)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `"sha512:`+strings.Repeat("a", 64)+`"`)), "manifest_digest is invalid"},
		{page(row("manifest_digest", `":`+strings.Repeat("a", 64)+`"`)), "manifest_digest is invalid"},
		{page(row("is_manifest_list", "")), "is_manifest_list is missing"},
		{page(row("is_manifest_list", "0")), "is_manifest_list is of type number, want bool"},
		{page(row("reversion", `"no"`)), "reversion is of type string, want bool"},
		{page(row("size", `"big"`)), "size is of type string, want whole number"},
		{page(row("size", "-1")), "size is -1"},
		{page(row("size", "1e400")), "size is of type number 1e400, want whole number"},
		{page(row("start_ts", `"now"`)), "start_ts is of type string"},
		{page(row("end_ts", "-5")), "end_ts is -5, which is no time"},
		{page(row("end_ts", "999999999999")), "which is no time"},
		{page(row("immutable", "7")), "immutable is of type number, want bool"},
		{page(row("is_sparse", "null", "child_manifests_presence", "[]")), "child_manifests_presence is of type array, want object"},
		{page(row("is_sparse", "true", "child_manifests_presence", `{"x": true}`)), `child_manifests_presence has an invalid digest: "x"`},
	} {
		cl := client(t, canned(t, say(200, "application/json", c.body)))
		_, err := cl.Tag(t.Context(), repo("org/r"), "v1")
		wantError(t, err, "malformed", "quay: look up tag org/r:v1: malformed answer: ", c.words)
		if has, err := cl.HasTag(t.Context(), repo("org/r"), "v1"); has || kind(err) != "malformed" {
			t.Errorf("%s: HasTag = %v, %v", c.body, has, err)
		}
		_, err = drain(t, cl.Tags(t.Context(), repo("org/r"), quay.TagQuery{History: true}))
		wantError(t, err, "malformed", "page 1", c.words)
	}
}

// TestInvalidRowsAreTheirOwnTrouble: a list that asks for them has the other tags, too.
func TestInvalidRowsAreTheirOwnTrouble(t *testing.T) {
	body := `{"tags": [` + strings.Join([]string{
		row("name", `"a"`), row("name", `"b"`, "manifest_digest", `"sha256:abc"`), row("name", `"c\u001b"`), row("name", `"d"`, "end_ts", "-5"), row("name", `"e"`),
	}, ", ") + `], "page": 1, "has_additional": false}`
	c := client(t, canned(t, say(200, "application/json", body)))
	got, err := drain(t, c.Tags(t.Context(), repo("org/r"), quay.TagQuery{Invalid: true}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tag := range got {
		name := strconv.Quote(tag.Name)
		if tag.Invalid != nil {
			name += " invalid"
			if !errors.Is(tag.Invalid, quay.ErrMalformed) || tag.Digest != "" {
				t.Errorf("%+v", tag)
			}
		}
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{`"a"`, `"b" invalid`, `"c\x1b" invalid`, `"d" invalid`, `"e"`}, names); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if _, err := drain(t, c.Tags(t.Context(), repo("org/r"), quay.TagQuery{})); kind(err) != "malformed" {
		t.Errorf("a list that did not ask for them: %v", err)
	}
}

// TestTagAcceptsWhatItDoesNotKnow: fields that come and go with features and
// versions (doc/quay-api.md section 2).
func TestTagAcceptsWhatItDoesNotKnow(t *testing.T) {
	body := `{"tags": [` + row("start_ts", "", "size", "", "immutable", "true", "is_sparse", "true", "docker_image_id", `"x"`) + `]}`
	got, err := client(t, canned(t, say(200, "", body))).Tag(t.Context(), repo("org/r"), "v1")
	want := quay.Tag{
		Name: "v1", Digest: "sha256:84e97400dc21b3778d4a624bc80c92d497f01f3a54483b95093f8e03e153525a",
		Size: quay.SizeUnknown, Immutable: true, Coverage: &quay.IndexCoverage{Partial: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestActiveAt(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	for _, c := range []struct {
		tag  quay.Tag
		want bool
	}{
		{quay.Tag{}, true},
		{quay.Tag{Start: at(50)}, true},
		{quay.Tag{Start: at(100)}, true},
		{quay.Tag{Start: at(101)}, false},
		{quay.Tag{Start: at(50), End: at(100)}, false},
		{quay.Tag{Start: at(50), End: at(101)}, true},
	} {
		if got := c.tag.ActiveAt(at(100)); got != c.want {
			t.Errorf("%v to %v is active at 100 s: %v, want %v", c.tag.Start, c.tag.End, got, c.want)
		}
	}
}

// TestTagPaths: slashes of nested names stay, and there is one at the end
// (doc/quay-api.md section 2, "URL form").
func TestTagPaths(t *testing.T) {
	var got []string
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.RequestURI)
		fmt.Fprint(w, tagList(false))
	})
	for _, base := range []string{url, url + "/", url + "/registry/quay/"} {
		c := client(t, base)
		c.HasTag(context.Background(), repo("org/tag"), "v1")
		c.HasTag(context.Background(), repo("org/a/b_c.d-e"), "V_1.2-3")
	}
	tail := "&onlyActiveTags=true&limit=1"
	want := []string{
		"/api/v1/repository/org/tag/tag/?specificTag=v1" + tail,
		"/api/v1/repository/org/a/b_c.d-e/tag/?specificTag=V_1.2-3" + tail,
		"/api/v1/repository/org/tag/tag/?specificTag=v1" + tail,
		"/api/v1/repository/org/a/b_c.d-e/tag/?specificTag=V_1.2-3" + tail,
		"/registry/quay/api/v1/repository/org/tag/tag/?specificTag=v1" + tail,
		"/registry/quay/api/v1/repository/org/a/b_c.d-e/tag/?specificTag=V_1.2-3" + tail,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

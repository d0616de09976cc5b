// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestListSinglePage(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL())
	got, err := drain(t, c.Repositories(t.Context(), quay.RepositoryQuery{Namespace: "alice", LastModified: true, Popularity: true}))
	want := []quay.Repository{{
		RepoName: quay.RepoName{Namespace: "alice", Name: "own-public"},
		Public:   true, Kind: "image", State: quay.StateNormal,
		LastModified: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC),
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if n := s.Stats().Classes["list"].Requests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestListWithPagination(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL(), quay.WithToken(ownerToken))
	names, err := c.RepositoryNames(t.Context(), "harbourline")
	if err != nil || len(names) != 261 {
		t.Fatalf("%d names, %v, want 261", len(names), err)
	}
	if names[0] != "image-000" || names[100] != "image-100" || names[260] != "signed" {
		t.Errorf("out of order: %v", names)
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			t.Errorf("%s comes twice", n)
		}
		seen[n] = true
	}
	if n := s.Stats().Classes["list"].Requests; n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestListEmpty(t *testing.T) {
	c := client(t, embedded(t).URL())
	for _, namespace := range []string{"emptyharbour", "closedharbour", "no-such-harbour"} {
		if got, err := drain(t, list(c, namespace)); len(got) != 0 || err != nil {
			t.Errorf("%s: %v, %v, want nothing", namespace, got, err)
		}
		if names, err := c.RepositoryNames(t.Context(), namespace); len(names) != 0 || err != nil {
			t.Errorf("%s: %v, %v, want no names", namespace, names, err)
		}
	}
}

func TestListSendsTheToken(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL(), quay.WithToken(" "+ownerToken+"\n"))
	got, err := drain(t, list(c, "closedharbour"))
	if err != nil || len(got) != 3 || got[0].Public || !got[0].CallerKnown {
		t.Errorf("as the owner: %+v, %v, want three private repositories of a known caller", got, err)
	}
	got, err = drain(t, list(c.Anonymous(), "closedharbour"))
	if err != nil || len(got) != 0 {
		t.Errorf("anonymous: %+v, %v, want nothing", got, err)
	}
	if st := s.Stats(); st.WithToken != 1 || st.WithoutToken != 1 {
		t.Errorf("%d requests with and %d without the token, want 1 and 1", st.WithToken, st.WithoutToken)
	}
	if st := c.Stats(); st != (quay.Stats{Requests: 2, WithToken: 1, WithoutToken: 1}) || st != c.Anonymous().Stats() {
		t.Errorf("client counted %+v", st)
	}
}

func TestListStopsWhenItsReaderDoes(t *testing.T) {
	s := embedded(t)
	seq := list(client(t, s.URL()), "harbourline")
	for range 2 { // ranging again starts anew
		n := 0
		for r, err := range seq {
			if err != nil || r.Name != fmt.Sprintf("image-%03d", n) {
				t.Fatalf("repository %d is %v, %v", n, r, err)
			}
			if n++; n == 101 {
				break
			}
		}
	}
	if n := s.Stats().Requests; n != 4 {
		t.Errorf("%d requests, want two pages for each", n)
	}
}

func TestListEndsWithTheContext(t *testing.T) {
	s := embedded(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var failed error
	for _, err := range client(t, s.URL()).Repositories(ctx, quay.RepositoryQuery{Namespace: "harbourline"}) {
		if n++; n == 100 {
			cancel()
		}
		failed = err
	}
	wantError(t, failed, "canceled", "list repositories harbourline")
	if n := s.Stats().Requests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestListOfAMirrorRegistry(t *testing.T) {
	c := client(t, embedded(t, quaytest.WithQuirk("mirror-registry", "")).URL(), quay.WithToken(ownerToken))
	_, err := drain(t, list(c, "harbourline"))
	wantError(t, err, "no listing", "404", "mirror registry")
	_, err = c.Tag(t.Context(), repo("harbourline/plain"), "2025.1")
	wantError(t, err, "no listing", "405", "mirror registry")
	_, err = c.HasTag(t.Context(), repo("harbourline/plain"), "2025.1")
	wantError(t, err, "no listing")
	_, err = drain(t, c.Tags(t.Context(), repo("harbourline/plain"), quay.TagQuery{History: true}))
	wantError(t, err, "no listing", "405")
	_, err = c.CheckToken(t.Context())
	wantError(t, err, "no listing")
}

// A cursor the server cannot read has the answer of page one again, with a fresh cursor
// (doc/quay-api.md section 1).
func TestListThatRepeatsAPage(t *testing.T) {
	s := embedded(t, quaytest.WithQuirk("page-reuse", ""))
	got, err := drain(t, list(client(t, s.URL()), "harbourline"))
	wantError(t, err, "malformed", "page 2", `"harbourline/image-000"`, "circles")
	if len(got) != 100 || s.Stats().Requests != 2 {
		t.Errorf("%d repositories of %d requests before that, want 100 of 2", len(got), s.Stats().Requests)
	}
}

func TestListThatRepeatsACursor(t *testing.T) {
	s := embedded(t, quaytest.WithQuirk("repeat-cursor", ""))
	got, err := drain(t, list(client(t, s.URL()), "harbourline"))
	wantError(t, err, "malformed", "page 2", "next_page repeats", "circles")
	if len(got) != 100 || s.Stats().Requests != 2 {
		t.Errorf("%d repositories of %d requests before that, want 100 of 2", len(got), s.Stats().Requests)
	}
}

// TestListsThatDoNotEnd has servers that go in longer circles. They are broken
// ones: a real cursor leads onward (doc/quay-api.md section 1, "Paging").
func TestListsThatDoNotEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		page  func(n int) (first, count int, cursor string)
		yield int // repositories before the error
		words []string
	}{
		{"three pages in turn, new cursors", func(n int) (int, int, string) {
			return (n - 1) % 3 * 10, 10, fmt.Sprint("c", n)
		}, 30, []string{"page 4", `"org/r0"`}},
		{"back to page two, new cursors", func(n int) (int, int, string) {
			return (1 + (n-2)%3) * 10 * min(n-1, 1), 10, fmt.Sprint("c", n)
		}, 40, []string{"page 5", `"org/r10"`}},
		{"cursors in turn", func(n int) (int, int, string) {
			return n * 10, 10, fmt.Sprint("c", n%3)
		}, 30, []string{"page 4", "next_page repeats"}},
		{"pages that overlap by one", func(n int) (int, int, string) {
			return (n - 1) * 9, 10, fmt.Sprint("c", n)
		}, 10, []string{"page 2", `a repository is in the listing twice: "org/r9"`}},
		{"empty pages", func(n int) (int, int, string) {
			return 0, 0, fmt.Sprint("c", n)
		}, 0, []string{"page 1", "empty"}},
		{"a cursor that grows", func(n int) (int, int, string) {
			return n * 10, 10, strings.Repeat("c", n*1500)
		}, 20, []string{"page 3", "4500 characters"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			url := canned(t, func(w http.ResponseWriter, r *http.Request) {
				n++
				fmt.Fprint(w, listing(c.page(n)))
			})
			got, err := drain(t, list(client(t, url), "org"))
			wantError(t, err, "malformed", c.words...)
			if len(got) != c.yield {
				t.Errorf("%d repositories before that, want %d", len(got), c.yield)
			}
		})
	}
}

// listing is a page of a namespace "org" (doc/quay-api.md section 1, "Body").
func listing(first, count int, cursor string) string {
	var b strings.Builder
	b.WriteString(`{"repositories": [`)
	for i := range count {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"namespace": "org", "name": "r%d", "description": null, "is_public": true, "kind": "image", "state": "NORMAL", "last_modified": %d}`, first+i, first+i)
	}
	b.WriteString("]")
	if cursor != "" {
		fmt.Fprintf(&b, `, "next_page": %q`, cursor)
	}
	return b.String() + "}"
}

func TestCursorsAreEscaped(t *testing.T) {
	const cursor = "a+b/c==&d%20"
	var got []string
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Query().Get("next_page"))
		fmt.Fprint(w, listing(len(got)*10, 2, []string{cursor, ""}[len(got)-1]))
	})
	if _, err := drain(t, list(client(t, url), "org")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"", cursor}, got); diff != "" {
		t.Errorf("cursors the server was given (-want +got):\n%s", diff)
	}
}

// TestListDecodesFreshValues: a field that only page one has must not show on
// page two.
func TestListDecodesFreshValues(t *testing.T) {
	n := 0
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			fmt.Fprint(w, `{"repositories": [{"namespace": "org", "name": "a", "description": "first", "is_public": true, "kind": "image", "state": "NORMAL", "is_starred": true, "last_modified": 5}], "next_page": "c"}`)
			return
		}
		fmt.Fprint(w, `{"repositories": [{"namespace": "org", "name": "b", "description": null, "is_public": false, "kind": "image", "state": "READ_ONLY"}]}`)
	})
	got, err := drain(t, list(client(t, url), "org"))
	want := []quay.Repository{
		{RepoName: quay.RepoName{Namespace: "org", Name: "a"}, Description: "first", Public: true, Kind: "image",
			State: quay.StateNormal, Starred: true, CallerKnown: true, LastModified: time.Unix(5, 0).UTC()},
		{RepoName: quay.RepoName{Namespace: "org", Name: "b"}, Kind: "image", State: quay.StateReadOnly},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// entry is one repository as a listing has it, with changes: a field set to
// "" is left out.
func entry(changes ...string) string {
	fields := []string{"namespace", `"org"`, "name", `"r"`, "description", "null", "is_public", "true",
		"kind", `"image"`, "state", `"NORMAL"`, "last_modified", "1764547200", "popularity", "0.5"}
	return object(fields, changes)
}

// object writes a JSON object of names and values, changed.
func object(fields, changes []string) string {
	values := map[string]string{}
	var order []string
	for _, list := range [][]string{fields, changes} {
		for i := 0; i < len(list); i += 2 {
			if _, ok := values[list[i]]; !ok {
				order = append(order, list[i])
			}
			values[list[i]] = list[i+1]
		}
	}
	var parts []string
	for _, name := range order {
		if values[name] != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", name, values[name]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// TestListNeedsItsFields changes one field of a listing at a time.
func TestListNeedsItsFields(t *testing.T) {
	page := func(entries ...string) string { return `{"repositories": [` + strings.Join(entries, ", ") + `]}` }
	for _, c := range []struct {
		body  string
		words string
	}{
		{`{}`, "page 1: repositories is missing"},
		{`{"repositories": null}`, "repositories is missing"},
		{`{"repositories": [` + entry() + `], "repositories": null}`, "repositories is missing"},
		{`null`, "repositories is missing"},
		{`[]`, "the answer is of type array, want object"},
		{`"text"`, "the answer is of type string"},
		{`{"repositories": {}}`, "repositories is of type object, want array"},
		{`{"repositories": [], "next_page": 5}`, "next_page is of type number, want string"},
		{`{"repositories": [], "next_page": ""}`, "next_page is empty"},
		{page(`null`), `repository 1: namespace is missing (its name: "")`},
		{page(`5`), `repository 1: the answer is of type number, want object`},
		{page(entry(), entry("name", `"s"`, "is_public", "")), `repository 2: is_public is missing (its name: "s")`},
		{page(entry("namespace", "")), "namespace is missing"},
		{page(entry("namespace", `"other"`)), `namespace is not the one asked for: "other"`},
		{page(entry("name", "")), "name is missing"},
		{page(entry("name", "null")), "name is missing"},
		{page(entry("name", "7")), "name is of type number, want string"},
		{page(entry("name", `""`)), "name is empty"},
		{page(entry("description", "[]")), "description is of type array, want string"},
		{page(entry("is_public", "")), "is_public is missing"},
		{page(entry("is_public", `"true"`)), "is_public is of type string, want bool"},
		{page(entry("kind", "5")), "kind is of type number, want string"},
		{page(entry("state", "3")), "state is of type number, want string"},
		{page(entry("last_modified", "")), "last_modified is missing"},
		{page(entry("last_modified", `"today"`)), "last_modified is of type string, want whole number"},
		{page(entry("last_modified", "1.5")), "last_modified is of type number 1.5, want whole number"},
		{page(entry("last_modified", "-1")), "last_modified is -1"},
		{page(entry("last_modified", fmt.Sprint(int64(math.MaxInt64)))), "which is no time"},
		{page(entry("popularity", "")), "popularity is missing"},
		{page(entry("popularity", "null")), "popularity is missing"},
		{page(entry("popularity", `"high"`)), "popularity is of type string, want number"},
		{page(entry("is_starred", "1")), "is_starred is of type number, want bool"},
		{page(entry(), entry()), `a repository is in the listing twice: "org/r"`},
	} {
		c2 := client(t, canned(t, say(200, "application/json", c.body)))
		query := quay.RepositoryQuery{Namespace: "org", LastModified: true, Popularity: true}
		got, err := drain(t, c2.Repositories(t.Context(), query))
		wantError(t, err, "malformed", "list repositories org", "page 1", c.words)
		if len(got) != 0 {
			t.Errorf("%s: yields %v", c.body, got)
		}
	}
}

// TestListLetsOddNamesThrough: a name that cannot be one is its repository's
// trouble. The others of the page are listed, and asking about the odd one sends
// nothing.
func TestListLetsOddNamesThrough(t *testing.T) {
	names := []string{"good", "a b", " ", "a\x1b[31m", "a\nb", "a\x00", "\u202e", "Upper", "a//b", "/", "..", strings.Repeat("x", 300), "naïve"}
	var rows []string
	for _, name := range names {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, entry("name", string(quoted), "state", `"NOR\u0000MAL"`))
	}
	sent := 0
	c := client(t, canned(t, func(w http.ResponseWriter, _ *http.Request) {
		sent++
		fmt.Fprintf(w, `{"repositories": [%s]}`, strings.Join(rows, ", "))
	}))
	got, err := c.RepositoryNames(t.Context(), "org")
	if diff := cmp.Diff(names, got); diff != "" || err != nil {
		t.Fatalf("error %v (-want +got):\n%s", err, diff)
	}
	for _, name := range names[1:] {
		_, err := c.Tag(t.Context(), quay.RepoName{Namespace: "org", Name: name}, "v1")
		if kind(err) != "invalid" || strings.ContainsAny(err.Error(), "\x1b\n\x00\u202e") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if sent != 1 {
		t.Errorf("%d requests, want that of the listing alone", sent)
	}
}

// TestListAcceptsWhatItDoesNotKnow: other servers, other fields.
func TestListAcceptsWhatItDoesNotKnow(t *testing.T) {
	// Nothing hangs on the kind, so it may be missing.
	body := `{"repositories": [` + entry("kind", "", "state", `"HALF_ASLEEP"`, "quota_report", `{"quota_bytes": 5, "configured_quota": null}`,
		"name", `"deep/er"`, "new", "[1]", "last_modified", "null", "popularity", "") + `], "next_page": null, "total": 1}`
	c := client(t, canned(t, say(200, "text/html", body)))
	got, err := drain(t, c.Repositories(t.Context(), quay.RepositoryQuery{Namespace: "org", LastModified: true}))
	want := []quay.Repository{{RepoName: quay.RepoName{Namespace: "org", Name: "deep/er"}, Public: true, State: "HALF_ASLEEP"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

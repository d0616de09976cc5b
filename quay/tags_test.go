// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

func tagNames(t *testing.T, c *quay.Client, name string, q quay.TagQuery) []string {
	t.Helper()
	tags, err := drain(t, c.Tags(t.Context(), repo(name), q))
	if err != nil {
		t.Errorf("tags of %s for %+v: %v", name, q, err)
	}
	names := []string{}
	for _, tag := range tags {
		names = append(names, tag.Name)
	}
	return names
}

func TestTagsInPages(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL())
	var all []string
	for i := 229; i >= 0; i-- {
		all = append(all, fmt.Sprintf("v1.%d.0", i))
	}
	requests := int64(0)
	for size, pages := range map[int]int64{0: 3, 100: 3, 230: 0, 115: 0, 50: 5, 46: 5, 7: 33} {
		query := quay.TagQuery{PageSize: size}
		if pages == 0 {
			_, err := drain(t, c.Tags(t.Context(), repo("harbourline/many-tags"), query))
			wantError(t, err, "invalid", "page size", "1 to 100")
			continue
		}
		if diff := cmp.Diff(all, tagNames(t, c, "harbourline/many-tags", query)); diff != "" {
			t.Errorf("page size %d (-want +got):\n%s", size, diff)
		}
		requests += pages
		if n := s.Stats().Requests; n != requests {
			t.Errorf("page size %d: %d requests, want %d", size, n, requests)
		}
	}
}

func TestTagsFiltered(t *testing.T) {
	c := client(t, embedded(t).URL())
	for _, tc := range []struct {
		repo string
		q    quay.TagQuery
		want []string
	}{
		{"harbourline/plain", quay.TagQuery{Exact: "2025.1"}, []string{"2025.1"}},
		{"harbourline/plain", quay.TagQuery{Exact: "2025"}, []string{}},
		{"harbourline/plain", quay.TagQuery{Contains: "2025."}, []string{"2025.1"}},
		{"harbourline/many-tags", quay.TagQuery{Contains: "22.0"}, []string{"v1.222.0", "v1.122.0", "v1.22.0"}},
		// The server's own filter ignores case, and takes "_" for any character.
		{"harbourline/dots.and_under--scores", quay.TagQuery{Contains: "mixed"}, []string{}},
		{"harbourline/dots.and_under--scores", quay.TagQuery{Contains: "Mixed_"}, []string{"Mixed_Case.Tag-1"}},
		{"harbourline/dots.and_under--scores", quay.TagQuery{Contains: "_"}, []string{"Mixed_Case.Tag-1"}},
		{"harbourline/dots.and_under--scores", quay.TagQuery{Contains: "-1"}, []string{"Mixed_Case.Tag-1"}},
		{"harbourline/hidden-tag", quay.TagQuery{History: true}, []string{}},
		{"harbourline/same-second", quay.TagQuery{}, []string{"a", "b", "c"}},
		{"harbourline/all-deleted", quay.TagQuery{}, []string{}},
		{"harbourline/all-deleted", quay.TagQuery{History: true}, []string{"2025.1"}},
		{"harbourline/moved", quay.TagQuery{}, []string{"2025.1"}},
		{"harbourline/moved", quay.TagQuery{History: true}, []string{"2025.1", "2025.1", "2025.1"}},
	} {
		if diff := cmp.Diff(tc.want, tagNames(t, c, tc.repo, tc.q)); diff != "" {
			t.Errorf("%s, %+v (-want +got):\n%s", tc.repo, tc.q, diff)
		}
	}
}

// An older server does not know filter_tag_name, and sends everything
// (doc/quay-api.md section 2, since 2023-04).
func TestTagsFilteredHereToo(t *testing.T) {
	url := canned(t, say(200, "application/json", tagList(false, "2025.1", "2024.1", "latest")))
	for _, q := range []quay.TagQuery{{Contains: "2025"}, {Exact: "2025.1"}} {
		if diff := cmp.Diff([]string{"2025.1"}, tagNames(t, client(t, url), "org/r", q)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
}

// pusher is a server of n tags, newest first, by offset: doc/quay-api.md
// section 2. Between pages, so many are pushed on top.
func pusher(t *testing.T, n, pushes int) string {
	names := []string{}
	for i := range n {
		names = append(names, fmt.Sprint("t", n-i))
	}
	return canned(t, func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		var rows []string
		for i := (page - 1) * limit; i < min(page*limit, len(names)); i++ {
			start, _ := strconv.Atoi(names[i][1:])
			rows = append(rows, row("name", strconv.Quote(names[i]), "start_ts", fmt.Sprint(1764633600+start)))
		}
		fmt.Fprintf(w, `{"tags": [%s], "page": %d, "has_additional": %v}`, strings.Join(rows, ","), page, page*limit < len(names))
		for range pushes {
			names = append([]string{fmt.Sprint("t", len(names)+1)}, names...)
		}
	})
}

func TestTagsPushedWhileListing(t *testing.T) {
	var want []string
	for i := 25; i > 0; i-- {
		want = append(want, fmt.Sprint("t", i))
	}
	for _, active := range []bool{true, false} {
		for pushes := range 5 {
			c := client(t, pusher(t, 25, pushes))
			got := tagNames(t, c, "org/r", quay.TagQuery{History: !active, PageSize: 10})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d pushes between pages (-want +got):\n%s", pushes, diff)
			}
		}
	}
	_, err := drain(t, client(t, pusher(t, 25, 10)).Tags(t.Context(), repo("org/r"), quay.TagQuery{PageSize: 10}))
	wantError(t, err, "malformed", "page 2", "nothing new", "circles")
}

// A history can hold the same row twice within a second; active tags cannot
// (doc/quay-api.md section 2).
func TestTagsOnOnePage(t *testing.T) {
	c := client(t, canned(t, say(200, "application/json", tagList(false, "a", "b", "a"))))
	if diff := cmp.Diff([]string{"a", "b", "a"}, tagNames(t, c, "org/r", quay.TagQuery{History: true})); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, tagNames(t, c, "org/r", quay.TagQuery{})); diff != "" {
		t.Errorf("active (-want +got):\n%s", diff)
	}
}

// TestTagsThatDoNotEnd has broken servers: real pages lead onward, and echo
// their number (doc/quay-api.md section 2).
func TestTagsThatDoNotEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		pages []string
		yield int
		words []string
	}{
		{"the same page", []string{tagList(true, "a", "b")}, 2, []string{"page 2", "nothing new"}},
		{"empty pages", []string{tagList(true)}, 0, []string{"page 1", "nothing new"}},
		{"page one under another number", []string{`{"tags": [` + row() + `], "page": 1, "has_additional": true}`}, 1, []string{"page 2: the server says page 1"}},
		{"does not say whether there is more", []string{`{"tags": [` + row() + `]}`}, 0, []string{"page 1", "has_additional is missing"}},
		{"fails on page two", []string{tagList(true, "a"), `{"tags": 5}`}, 1, []string{"page 2", "tags is of type number"}},
	} {
		n := 0
		url := canned(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, c.pages[min(n, len(c.pages)-1)])
			n++
		})
		got, err := drain(t, client(t, url).Tags(t.Context(), repo("org/r"), quay.TagQuery{History: true}))
		wantError(t, err, "malformed", append(c.words, "list tags org/r")...)
		if len(got) != c.yield {
			t.Errorf("%s: %d tags before that, want %d", c.name, len(got), c.yield)
		}
	}
}

func TestTagsStopWhenTheirReaderDoes(t *testing.T) {
	s := embedded(t)
	for range client(t, s.URL()).Tags(t.Context(), repo("harbourline/many-tags"), quay.TagQuery{History: true}) {
		break
	}
	if n := s.Stats().Requests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestTagsOfARepositoryThatVanished(t *testing.T) {
	s := embedded(t, quaytest.WithQuirk("vanish", "harbourline/plain"))
	for token, want := range map[string]string{"": "unauthenticated", outsiderToken: "forbidden", ownerToken: "not found"} {
		_, err := drain(t, client(t, s.URL(), quay.WithToken(token)).Tags(t.Context(), repo("harbourline/plain"), quay.TagQuery{History: true}))
		wantError(t, err, want)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var linkForm = regexp.MustCompile(`^<(http://example\.com/[^>]+)>; rel="next"$`)

// pages requests all pages of a listing of the registry.
func (p *pulling) pages(t *testing.T, target, field string, headers ...string) (pages [][]string) {
	t.Helper()
	for target != "" {
		w := p.ask("GET", target, headers...)
		var body map[string]json.RawMessage
		var page []string
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 || json.Unmarshal(body[field], &page) != nil || page == nil {
			t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
		pages, target = append(pages, page), ""
		if link := w.Header().Get("Link"); link != "" {
			m := linkForm.FindStringSubmatch(link)
			if m == nil || len(pages) > 300 {
				t.Fatalf("page %d: link %q", len(pages), link)
			}
			next, err := url.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			target = next.RequestURI()
		}
	}
	return pages
}

// Tags are sorted by name, n is clamped to 0..100 with the default 100, last is
// exclusive, and Link is the next page: doc/quay-api.md section 5.
func TestRegistryTags(t *testing.T) {
	p := newPulling(t)
	const many = "/v2/harbourline/many-tags/tags/list"
	for query, want := range map[string][]int{
		"":         {100, 100, 30},
		"?n=1000":  {100, 100, 30},
		"?n=90":    {90, 90, 50},
		"?n=115":   {100, 100, 30},
		"?n=0":     {0},
		"?n=-5":    {0},
		"?n=1&n=9": slices.Repeat([]int{1}, 230),
	} {
		pages := p.pages(t, many+query, "tags")
		var got []int
		for _, page := range pages {
			got = append(got, len(page))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: lengths of pages: -want +got\n%s", query, d)
		}
		all := slices.Concat(pages...)
		if !slices.IsSorted(all) || len(slices.Compact(all)) != len(all) {
			t.Errorf("%q: tags are not sorted or there twice", query)
		}
	}
	for target, want := range map[string][]string{
		"/v2/harbourline/plain/tags/list":             {"2024.2", "2025.1", "latest"},
		"/v2/harbourline/plain/tags/list?last=2024.2": {"2025.1", "latest"},
		"/v2/harbourline/plain/tags/list?last=2024.3": {"2025.1", "latest"},
		"/v2/harbourline/plain/tags/list?last=z":      {},
		"/v2/harbourline/all-deleted/tags/list":       {},
		"/v2/harbourline/hidden-tag/tags/list":        {},
		"/v2/harbourline/tools/inner/deep/tags/list":  {"2025.1"},
	} {
		if d := cmp.Diff([][]string{want}, p.pages(t, target, "tags")); d != "" {
			t.Errorf("%s: -want +got\n%s", target, d)
		}
	}
	w := p.ask("GET", "/v2/harbourline/tools/inner/deep/tags/list")
	if want := `{"name":"harbourline/tools/inner/deep","tags":["2025.1"]}` + "\n"; w.Body.String() != want {
		t.Errorf("body %s, want %s", w.Body, want)
	}
}

// The catalog lists the repositories on which the caller has rights of its own, n is
// clamped to 1..100, and Basic credentials are refused: section 5.
func TestRegistryCatalog(t *testing.T) {
	p := newPulling(t)
	for _, tt := range []struct {
		name, authorization string
		want                []string
	}{
		{"anonymous", "", nil},
		{"reader", basic("bob", "${password:bob}"), []string{"harbourline/private-shared"}},
		{"robot", basic("harbourline+puller", "${robot}"), []string{"harbourline/private-one"}},
	} {
		bearer, _ := p.token(t, tt.authorization, "harbourline/plain")
		got := slices.Concat(p.pages(t, "/v2/_catalog", "repositories", "Authorization", bearer)...)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, d)
		}
	}
	var own []string // in order of creation
	for _, r := range recordedDataset(t).Repositories {
		if name := r.Namespace + "/" + r.Name; r.State != "MARKED_FOR_DELETION" {
			own = append(own, name)
		}
	}
	bearer, _ := p.token(t, basic(alice, password))
	for _, query := range []string{"", "?n=7", "?n=0", "?n=1000"} {
		pages := p.pages(t, "/v2/_catalog"+query, "repositories", "Authorization", bearer)
		if d := cmp.Diff(own, slices.Concat(pages...)); d != "" {
			t.Errorf("owner, %q: -want +got\n%s", query, d)
		}
		if want := map[string]int{"?n=7": 7, "?n=0": 1}[query]; want != 0 && len(pages[0]) != want {
			t.Errorf("owner, %q: first page of %d, want %d", query, len(pages[0]), want)
		}
	}
	if w := p.ask("GET", "/v2/_catalog", "Authorization", basic(alice, password)); w.Code != 401 || !strings.Contains(w.Body.String(), "Invalid bearer token format") {
		t.Errorf("Basic: %d %s", w.Code, w.Body)
	}
}

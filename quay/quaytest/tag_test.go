// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

type tagsPage struct {
	Tags []struct {
		Name    string
		Digest  string          `json:"manifest_digest"`
		End     *int64          `json:"end_ts"`
		Sparse  *bool           `json:"is_sparse"`
		Count   int             `json:"child_manifest_count"`
		Present int             `json:"present_child_count"`
		Which   map[string]bool `json:"child_manifests_presence"`
	}
	Page int64
	More bool `json:"has_additional"`
}

func (p tagsPage) names() string {
	var names []string
	for _, tag := range p.Tags {
		names = append(names, tag.Name)
	}
	return strings.Join(names, " ")
}

func tags(t testing.TB, h http.Handler, repository, query string) tagsPage {
	t.Helper()
	return get[tagsPage](t, h, "/api/v1/repository/"+repository+"/tag/?"+query, "")
}

// doc/quay-api.md section 2, "Parameters".
func TestTagParameters(t *testing.T) {
	h := recordedQuay(t)
	for _, c := range []struct {
		repository, query string
		want              string // names, and + if there are more
	}{
		{"harbourline/plain", "", "latest 2025.1 2024.2"},
		{"harbourline/plain", "limit=2", "latest 2025.1+"},
		{"harbourline/plain", "limit=2&page=2", "2024.2"},
		{"harbourline/plain", "limit=+2&page=%202%20", "2024.2"},
		{"harbourline/plain", "limit=1_0", "latest 2025.1 2024.2"},
		{"harbourline/plain", "limit=-99999999999999999999", "latest+"},
		{"harbourline/plain", "limit=99999999999999999999", "latest 2025.1 2024.2"},
		{"harbourline/plain", "limit=3&limit=1", "latest 2025.1 2024.2"},
		{"harbourline/plain", "page=92233720368547759&limit=100", ""},
		{"harbourline/plain", "filter_tag_name=like:2025", "2025.1"},
		{"harbourline/plain", "filter_tag_name=like:LATE", "latest"},
		{"harbourline/plain", "filter_tag_name=like:202%25.2", "2024.2"},
		{"harbourline/plain", "filter_tag_name=like:20__._", "2025.1 2024.2"},
		{"harbourline/plain", "filter_tag_name=like:_%25_%25latest", ""},
		{"harbourline/plain", "filter_tag_name=like:", "latest 2025.1 2024.2"},
		{"harbourline/plain", "filter_tag_name=like:%5C_", ""},
		{"harbourline/plain", "filter_tag_name=eq:2025.1", "2025.1"},
		{"harbourline/plain", "filter_tag_name=eq:2025", ""},
		{"harbourline/plain", "filter_tag_name=eq:LATEST", ""},
		{"harbourline/plain", "filter_tag_name=foo:2025.1", "latest 2025.1 2024.2"},
		{"harbourline/plain", "filter_tag_name=", "latest 2025.1 2024.2"},
		{"harbourline/plain", "filter_tag_name=like:2025&specificTag=2024.2", ""},
		{"harbourline/plain", "filter_tag_name=like:2025&specificTag=2025.1", "2025.1"},
		{"harbourline/plain", "filter_tag_name=like:20&limit=1&page=2", "2024.2"},
		{"harbourline/dots.and_under--scores", "filter_tag_name=like:mixed%5C_case", "Mixed_Case.Tag-1"},
		{"harbourline/same-second", "", "a b c"},
		{"harbourline/same-second", "limit=1&page=2", "b+"},
		{"harbourline/moved", "", "2025.1 2025.1 2025.1"},
		{"harbourline/moved", "onlyActiveTags=no", "2025.1"},
		{"harbourline/moved", "onlyActiveTags=0", "2025.1 2025.1 2025.1"},
		{"harbourline/hidden-tag", "", ""},
		{"harbourline/many-tags", "specificTag=v1.7.0", "v1.7.0"},
		{"harbourline/many-tags", "specificTag=v1.7", ""},
		{"harbourline/many-tags", "filter_tag_name=like:v1.22_.0&limit=3", "v1.229.0 v1.228.0 v1.227.0+"},
		{"harbourline/many-tags", "limit=100&page=3&onlyActiveTags=true&filter_tag_name=like:v1.1", ""},
	} {
		p := tags(t, h, c.repository, c.query)
		got := p.names()
		if p.More {
			got += "+"
		}
		if got != c.want {
			t.Errorf("%s %s: %s, want %s", c.repository, c.query, got, c.want)
		}
	}
	for query, want := range map[string]int{
		"limit=1.0":                         400,
		"limit=0x1":                         400,
		"page=1__0":                         400,
		"page=_1":                           400,
		"page=1_":                           400,
		"page=-":                            400,
		"page=":                             400,
		"filter_tag_name=2025.1":            400,
		"filter_tag_name=like:%00":          400,
		"filter_tag_name=foo:%00":           200,
		"specificTag=%00":                   400,
		"page=99999999999999999999":         500,
		"page=92233720368547760&limit=100":  500,
		"page=99999999999999999999&limit=1": 500,
		"page=9223372036854775806&limit=1":  200,
		"page=99999999999999999999&limit=nonsense": 400,
	} {
		if w := request(h, http.MethodGet, "/api/v1/repository/harbourline/plain/tag/?"+query, ""); w.Code != want {
			t.Errorf("%s: status %d, want %d", query, w.Code, want)
		}
	}
	// Rights are checked before the query.
	if w := request(h, http.MethodGet, "/api/v1/repository/harbourline/private-one/tag/?limit=x", ""); w.Code != 401 {
		t.Errorf("private with a wrong limit: status %d", w.Code)
	}
}

// doc/quay-api.md section 2, "Body": a tag is live until its end.
func TestTagsLiveByTheClock(t *testing.T) {
	end := time.UnixMilli(2_000_000)
	d := &quaytest.Dataset{
		Users: []quaytest.User{{Name: "u", Enabled: true}},
		Repositories: []quaytest.Repository{{Namespace: "u", Name: "r", Public: true, Tags: []quaytest.Tag{
			{Name: "t", Digest: "sha256:1", Start: time.UnixMilli(500), End: end},
			{Name: "t", Digest: "sha256:2", Start: end},
		}}},
	}
	var now time.Time
	h, err := quaytest.NewHandler(d, quaytest.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for ms, want := range map[int64]int{1_999_999: 2, 2_000_000: 1} {
		now = time.UnixMilli(ms)
		if p := tags(t, h, "u/r", "onlyActiveTags=true"); len(p.Tags) != want {
			t.Errorf("at %d ms: %d tags, want %d", ms, len(p.Tags), want)
		}
	}
	w := request(h, http.MethodGet, "/api/v1/repository/u/r/tag/?limit=1&page=2", "")
	want := `{"tags": [{"name": "t", "reversion": false, "end_ts": 2000, "manifest_digest": "sha256:1", "is_manifest_list": false, ` +
		`"size": null, "expiration": "Thu, 01 Jan 1970 00:33:20 -0000"}], "page": 2, "has_additional": false}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("a tag that began before the first second (-want +got):\n%s", diff)
	}
}

func TestRepositoriesMayShareTags(t *testing.T) {
	shared := []quaytest.Tag{{Name: "a", Start: time.UnixMilli(1000)}, {Name: "b", Start: time.UnixMilli(2000)}}
	h, err := quaytest.NewHandler(&quaytest.Dataset{
		Users: []quaytest.User{{Name: "u", Enabled: true}},
		Repositories: []quaytest.Repository{
			{Namespace: "u", Name: "one", Public: true, Tags: shared[:1]},
			{Namespace: "u", Name: "two", Public: true, Tags: shared},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for repository, want := range map[string]string{"u/one": "a", "u/two": "b a"} {
		if got := tags(t, h, repository, "").names(); got != want {
			t.Errorf("%s: %s, want %s", repository, got, want)
		}
	}
}

// doc/quay-api.md section 2, is_sparse: an index with a missing child.
func TestSparseIndex(t *testing.T) {
	d := recordedDataset(t)
	for i, m := range d.Manifests {
		if m.Repository == "harbourline/multi-arch" && !strings.Contains(m.MediaType, "index") {
			d.Manifests = append(d.Manifests[:i], d.Manifests[i+1:]...)
			break
		}
	}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got := tags(t, h, "harbourline/multi-arch", "specificTag=2025.1").Tags[0]
	if got.Sparse == nil || !*got.Sparse || got.Count != 2 || got.Present != 1 || len(got.Which) != 2 {
		t.Errorf("%+v", got)
	}
}

// doc/quay-api.md section 5, includeTags, by the truthy rule of section 1.
func TestRepositoryDetailWithoutTags(t *testing.T) {
	h := recordedQuay(t)
	for query, want := range map[string]bool{
		"": true, "includeTags=no": true, "includeTags=1": true, "includeTags=true&includeTags=false": true,
		"includeTags=": false, "includeTags": false, "includeTags=FALSE": false, "includeTags=null": false,
	} {
		p := get[map[string]json.RawMessage](t, h, "/api/v1/repository/harbourline/plain?"+query, "")
		if _, got := p["tags"]; got != want {
			t.Errorf("%q: tags shown: %v, want %v", query, got, want)
		}
	}
}

// doc/quay-api.md section 5: the detail has at most 500 live tags, and the rights of the
// caller.
func TestRepositoryDetail(t *testing.T) {
	d := recordedDataset(t)
	r := quaytest.Repository{Namespace: "alice", Name: "crowded", Public: true}
	for i := range 600 {
		r.Tags = append(r.Tags, quaytest.Tag{Name: fmt.Sprintf("t%03d", i), Digest: "sha256:0", Start: time.Unix(int64(i+1), 0)})
	}
	d.Repositories = append(d.Repositories, r)
	for i := range d.Repositories {
		if d.Repositories[i].Name == "plain" {
			d.Repositories[i].Permissions = []quaytest.Permission{{User: "bob", Role: "write"}, {User: "bob", Role: "read"}}
		}
	}
	d.Tokens = append(d.Tokens, quaytest.Token{Name: "bob-repo-admin", User: "bob", Scope: "repo:admin"})
	h, err := quaytest.NewHandler(d, quaytest.WithClock(func() time.Time { return recordedAt }))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	type detail struct {
		Organization bool `json:"is_organization"`
		Tags         map[string]json.RawMessage
		Write        bool `json:"can_write"`
		Admin        bool `json:"can_admin"`
		Stats        []struct{ Date string }
	}
	p := get[detail](t, h, "/api/v1/repository/alice/crowded?includeStats=true", "")
	if len(p.Tags) != 500 || p.Tags["t099"] != nil || p.Tags["t100"] == nil || p.Organization || p.Admin {
		t.Errorf("%d tags, %+v", len(p.Tags), p)
	}
	if len(p.Stats) == 0 || p.Stats[0].Date != "2026-11-22" {
		t.Errorf("statistics %v", p.Stats)
	}
	for _, c := range []struct {
		repository, token string
		want              detail
	}{
		{"private-shared", "${alice-repo-read}", detail{Organization: true}},
		{"private-shared", "${alice-repo-admin}", detail{Organization: true, Write: true, Admin: true}},
		{"private-shared", "bob-repo-admin", detail{Organization: true}},
		{"plain", "bob-repo-admin", detail{Organization: true, Write: true}},
		{"plain", "${bob-repo-read}", detail{Organization: true}},
	} {
		got := get[detail](t, h, "/api/v1/repository/harbourline/"+c.repository+"?includeTags=0", c.token)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s with %s (-want +got):\n%s", c.repository, c.token, diff)
		}
	}
}

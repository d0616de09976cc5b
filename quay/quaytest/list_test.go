// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

type listPage struct {
	Repositories []struct {
		Namespace, Name, Kind string
		LastModified          *int64 `json:"last_modified"`
		Starred               *bool  `json:"is_starred"`
	}
	NextPage string `json:"next_page"`
}

func list(t testing.TB, h http.Handler, query, token string) listPage {
	t.Helper()
	return get[listPage](t, h, "/api/v1/repository?"+query, token)
}

func (p listPage) names() []string {
	names := []string{}
	for _, r := range p.Repositories {
		names = append(names, r.Namespace+"/"+r.Name)
	}
	return names
}

// listAll requests all pages of a listing.
func listAll(t testing.TB, h http.Handler, query, token string) []string {
	t.Helper()
	var names []string
	for cursor := ""; ; {
		p := list(t, h, query+cursor, token)
		names = append(names, p.names()...)
		if p.NextPage == "" {
			return names
		}
		if len(p.Repositories) != 100 || len(names) > 10_000 {
			t.Fatalf("%s: a page that is not the last has %d repositories, %d in all", query, len(p.Repositories), len(names))
		}
		cursor = "&next_page=" + url.QueryEscape(p.NextPage)
	}
}

// doc/quay-api.md section 1, "Which repos".
func TestListingShowsWhatTheCallerMaySee(t *testing.T) {
	d := recordedDataset(t)
	h := recordedQuay(t)
	in := func(keep func(r quaytest.Repository) bool) []string {
		var names []string
		for _, r := range d.Repositories {
			if r.State != "MARKED_FOR_DELETION" && keep(r) {
				names = append(names, r.Namespace+"/"+r.Name)
			}
		}
		return names
	}
	shared := func(r quaytest.Repository) bool { return r.Name == "private-shared" }
	for _, c := range []struct {
		query, token string
		want         func(r quaytest.Repository) bool
	}{
		{"namespace=harbourline&public=true", "", func(r quaytest.Repository) bool { return r.Namespace == "harbourline" && r.Public }},
		{"namespace=harbourline&public=true", "${bob-repo-read}", func(r quaytest.Repository) bool {
			return r.Namespace == "harbourline" && (r.Public || shared(r))
		}},
		{"namespace=harbourline&public=true", "${alice-user-read}", func(r quaytest.Repository) bool { return r.Namespace == "harbourline" }},
		{"namespace=harbourline", "${alice-repo-read}", func(r quaytest.Repository) bool { return r.Namespace == "harbourline" }},
		{"namespace=harbourline", "${bob-repo-read}", shared},
		{"namespace=harbourline", "", nil},
		{"namespace=harbourline&repo_kind=nonsense", "", nil},
		{"namespace=alice", "${alice-repo-read}", func(r quaytest.Repository) bool { return r.Namespace == "alice" }},
		{"namespace=alice", "${bob-repo-read}", nil},
		{"namespace=harbour&public=true", "${alice-repo-read}", nil},
		{"public=true", "", func(r quaytest.Repository) bool { return r.Public }},
		{"public=true", "${bob-repo-read}", func(r quaytest.Repository) bool { return r.Public || shared(r) }},
		{"public=true", "${alice-repo-read}", func(r quaytest.Repository) bool { return true }},
		{"public=true&repo_kind=application", "${alice-repo-read}", nil},
		{"starred=true&namespace=harbourline&public=true", "${alice-repo-read}", nil},
		{"namespace=harbourline&public=true", "${robot}", func(r quaytest.Repository) bool { return r.Namespace == "harbourline" && r.Public }},
	} {
		want := []string(nil)
		if c.want != nil {
			want = in(c.want)
		}
		if diff := cmp.Diff(want, listAll(t, h, c.query, c.token)); diff != "" {
			t.Errorf("%s with %q (-want +got):\n%s", c.query, c.token, diff)
		}
	}
}

// doc/quay-api.md section 1, "Query parameters".
func TestListingParameters(t *testing.T) {
	h := recordedQuay(t)
	for query, want := range map[string]int{
		"namespace=alice&public=no":                          1,
		"namespace=alice&public=fAlSe":                       1,
		"namespace=alice&public=False":                       0,
		"namespace=alice&public=0":                           0,
		"namespace=alice&public=null":                        0,
		"namespace=alice&public=":                            0,
		"namespace=alice&public":                             0,
		"namespace=alice&public=false&public=true":           0,
		"name%73pace=alice&public=true":                      1,
		"namespace=al%69ce&public=true":                      1,
		"namespace=alice%&public=true":                       0,
		"namespace=alice;public=true":                        0,
		"namespace=alice&public=true&starred=false":          1,
		"namespace=alice&public=true&repo_kind=":             1,
		"namespace=+alice&public=true":                       0,
		"namespace=alice&public=true&next_page=page-of-mine": 1,
	} {
		if got := len(list(t, h, query, "").Repositories); got != want {
			t.Errorf("%s: %d repositories, want %d", query, got, want)
		}
	}
	for query, want := range map[string]int{
		"":                                  400,
		"public=false":                      400,
		"starred=true":                      400,
		"namespace=alice&starred=1":         400,
		"public=true&repo_kind=nonsense":    400,
		"namespace=a%00b&public=true":       400,
		"namespace=a%00b":                   200, // the database is not asked
		"public=true&repo_kind=application": 200,
	} {
		if w := request(h, http.MethodGet, "/api/v1/repository?"+query, ""); w.Code != want {
			t.Errorf("%s: status %d, want %d", query, w.Code, want)
		}
	}
	if got := list(t, h, "namespace=alice&public=true&repo_kind=", "").Repositories[0].Kind; got != "" {
		t.Errorf("kind is %q, not what was asked for", got)
	}
}

// doc/quay-api.md section 1, last_modified: the newest live tag's start.
func TestLastModifiedFollowsTheClock(t *testing.T) {
	d := &quaytest.Dataset{
		Users: []quaytest.User{{Name: "u", Enabled: true}},
		Repositories: []quaytest.Repository{{Namespace: "u", Name: "r", Public: true, Tags: []quaytest.Tag{
			{Name: "old", Start: time.UnixMilli(1_000_999)},
			{Name: "hidden", Start: time.UnixMilli(9_000_000), Hidden: true},
			{Name: "short", Start: time.UnixMilli(2_000_500), End: time.UnixMilli(3_000_000)},
		}}},
	}
	now := time.UnixMilli(2_500_000)
	h, err := quaytest.NewHandler(d, quaytest.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, c := range []struct{ at, want int64 }{{2_500_000, 2000}, {2_999_999, 2000}, {3_000_000, 1000}} {
		now = time.UnixMilli(c.at)
		got := list(t, h, "namespace=u&public=true&last_modified=1", "").Repositories[0].LastModified
		if got == nil || *got != c.want {
			t.Errorf("at %d: %v, want %d", c.at, got, c.want)
		}
	}
}

// doc/quay-api.md section 1, "Paging": a cursor is valid on its server for some time,
// whatever the query.
func TestCursor(t *testing.T) {
	now := recordedAt
	h := recordedQuay(t, quaytest.WithClock(func() time.Time { return now }))
	first := list(t, h, "namespace=harbourline&public=true", "")
	after := func(h http.Handler, query, cursor string) string {
		return list(t, h, query+"&next_page="+url.QueryEscape(cursor), "").names()[0]
	}
	const one, two = "harbourline/image-000", "harbourline/image-100"
	// Character 11 is part of the date: the cursor is 50 seconds older and otherwise valid.
	tampered := first.NextPage[:11] + "A" + first.NextPage[12:]
	for _, c := range []struct {
		what, cursor string
		h            http.Handler
		query, want  string
	}{
		{"as it is", first.NextPage, h, "namespace=harbourline&public=true", two},
		{"with other parameters", first.NextPage, h, "public=true&last_modified=true", two},
		{"tampered", tampered, h, "namespace=harbourline&public=true", one},
		{"cut", first.NextPage[:100], h, "namespace=harbourline&public=true", one},
		{"of another server", first.NextPage, recordedQuay(t), "namespace=harbourline&public=true", one},
		{"of another namespace", first.NextPage, h, "namespace=offharbour&public=true", "offharbour/left-behind"},
	} {
		if got := after(c.h, c.query, c.cursor); got != c.want {
			t.Errorf("%s: begins with %s, want %s", c.what, got, c.want)
		}
	}
	for age, want := range map[time.Duration]string{
		48 * time.Hour: two, 48*time.Hour + time.Second: one, -time.Minute: two, -2 * time.Minute: one,
	} {
		now = recordedAt.Add(age)
		if got := after(h, "namespace=harbourline&public=true", first.NextPage); got != want {
			t.Errorf("%v old: begins with %s, want %s", age, got, want)
		}
	}
}

func TestPagingQuirks(t *testing.T) {
	const query = "namespace=harbourline&public=true"
	repeat := recordedQuay(t, quaytest.WithQuirk("repeat-cursor", ""))
	first := list(t, repeat, query, "")
	second := list(t, repeat, query+"&next_page="+url.QueryEscape(first.NextPage), "")
	if first.NextPage == "" || second.NextPage != first.NextPage || slices.Equal(first.names(), second.names()) {
		t.Errorf("repeat-cursor: cursors %.20s and %.20s", first.NextPage, second.NextPage)
	}
	if p := list(t, repeat, "namespace=alice&public=true", ""); p.NextPage == "" || len(p.Repositories) != 1 {
		t.Errorf("repeat-cursor: a single page has no cursor: %v", p)
	}
	reuse := recordedQuay(t, quaytest.WithQuirk("page-reuse", ""))
	first = list(t, reuse, query, "")
	second = list(t, reuse, query+"&next_page="+url.QueryEscape(first.NextPage), "")
	if second.NextPage == first.NextPage || !slices.Equal(first.names(), second.names()) {
		t.Errorf("page-reuse: cursors %.20s and %.20s", first.NextPage, second.NextPage)
	}
}

func TestDatasetIsChecked(t *testing.T) {
	user := []quaytest.User{{Name: "u", Enabled: true}}
	for want, d := range map[string]*quaytest.Dataset{
		"no such namespace": {Users: user, Repositories: []quaytest.Repository{{Namespace: "v", Name: "r"}}},
		"used twice":        {Users: user, Repositories: []quaytest.Repository{{Namespace: "u", Name: "r"}, {Namespace: "u", Name: "r"}}},
		"is not a user":     {Users: user, Organizations: []quaytest.Organization{{Name: "o", Owners: []string{"v"}}}},
		"or used twice":     {Users: user, Organizations: []quaytest.Organization{{Name: "u"}}},
	} {
		if _, err := quaytest.NewHandler(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %q", err, want)
		}
	}
}

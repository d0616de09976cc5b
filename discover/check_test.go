// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon.Add(300 * time.Millisecond) }

func TestPrunesCostNoRequest(t *testing.T) {
	repo := func(name, state string, age time.Duration) row {
		return row{name: name, state: state, changed: noon.Add(-age)}
	}
	const day = 24 * time.Hour
	empty := row{name: "nova-empty", empty: true}
	f := &fake{rows: rows(nil,
		repo("nova-api", "NORMAL", day),
		repo("nova-frozen", "READ_ONLY", day),
		repo("nova-copied", "ORG_MIRROR", day),
		repo("nova-novel", "SOMETHING_NEW", day),
		repo("nova-edge", "NORMAL", 30*day),
		repo("nova-old", "NORMAL", 30*day+time.Second),
		empty,
		repo("nova-dying", "MARKED_FOR_DELETION", day),
		repo("nova/deep", "NORMAL", day),
		repo("glance", "NORMAL", day),
		repo("glance/nova-x", "NORMAL", day),
	)}
	f.lookUp = func(_ context.Context, _, name string) (tag, bool, error) {
		return tag{started: noon}, true, nil
	}
	_, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "quay://harbour/nova*:1?since=30d"), discover.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	want := map[discover.Reason]int{
		discover.NoMatch: 2, discover.Nested: 1, discover.Deleted: 1, discover.NoLiveTag: 1, discover.TooOld: 1,
	}
	if diff := cmp.Diff(want, sum.Skipped); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
	slices.Sort(f.asked)
	asked := []string{"tag nova-api:1", "tag nova-copied:1", "tag nova-edge:1", "tag nova-frozen:1", "tag nova-novel:1"}
	if diff := cmp.Diff(asked, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if sum.Listed != 11 || sum.Candidates != 5 || sum.Checked != 5 || !sum.Complete || len(sum.Hints) != 1 {
		t.Errorf("summary = %+v", sum)
	}
}

func TestTagOwnStartDecides(t *testing.T) {
	repos := named("old-tag", "young-tag")
	for i := range repos {
		repos[i].changed = noon
	}
	f := &fake{rows: rows(nil, repos...)}
	f.lookUp = func(_ context.Context, repo, name string) (tag, bool, error) {
		started := noon.Add(-24 * time.Hour) // counts: the age is exactly the bound
		if repo == "old-tag" {
			started = started.Add(-time.Second)
		}
		return tag{started: started}, true, nil
	}
	results, _, err := discover.Collect(t.Context(), f.client(t), pattern(t, "quay://harbour/*:1?since=1d"), discover.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"absent old-tag:1 (older than since)", "present young-tag:1"}
	if diff := cmp.Diff(want, short(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestUnknownHasItsReason(t *testing.T) {
	answers := map[string]error{
		"a-401":     quay.ErrUnauthenticated,
		"b-403":     quay.ErrForbidden,
		"c-404":     quay.ErrNotFound,
		"d-429":     quay.ErrRateLimited,
		"e-502":     quay.ErrUnavailable,
		"f-broken":  quay.ErrMalformed,
		"g-silent":  errors.New("connection reset"),
		"h-timeout": fmt.Errorf("one attempt: %w", context.DeadlineExceeded),
		"i-other":   errOdd,
		"j-fine":    nil,
		"K no name": nil, // no repository can have this name
	}
	repos := named()
	for name := range answers {
		repos = append(repos, named(name)...)
	}
	f := &fake{rows: rows(nil, repos...)}
	f.lookUp = func(_ context.Context, repo, _ string) (tag, bool, error) {
		return tag{}, false, answers[repo]
	}
	results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	if err != nil || !sum.Finished || sum.Complete || sum.Denied {
		t.Fatalf("error %v, summary %+v", err, sum)
	}
	want := []string{
		"unknown K no name:1 (malformed answer)",
		"unknown a-401:1 (gone or private)",
		"unknown b-403:1 (gone or private)",
		"unknown c-404:1 (gone or private)",
		"unknown d-429:1 (rate limited)",
		"unknown e-502:1 (server error)",
		"unknown f-broken:1 (malformed answer)",
		"unknown g-silent:1 (no answer)",
		"unknown h-timeout:1 (no answer)",
		"unknown i-other:1 (failed)",
		"absent j-fine:1 (no such tag)",
	}
	if diff := cmp.Diff(want, short(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for _, r := range results {
		if (r.Err == nil) != (r.Verdict == discover.Absent) {
			t.Errorf("%s: cause %v", r.Repository, r.Err)
		}
	}
	if sum.Unknown != 10 || sum.Absent != 1 || sum.Unknowns[discover.GoneOrPrivate] != 3 {
		t.Errorf("summary = %+v", sum)
	}
}

// An invalid row of the listing is one unknown image, for which no request is sent.
func TestInvalidRowIsUnknown(t *testing.T) {
	repos := append(named("a", "odd", "other", ""), row{})
	for i := range repos[1:] {
		repos[i+1].odd = true
	}
	for text, want := range map[string][]string{
		"harbour/[ao]d*:1": {"unknown :1 (malformed answer)", "unknown :1 (malformed answer)", "unknown odd:1 (malformed answer)"},
		"harbour/o*:1,2": {"unknown :1 (malformed answer)", "unknown :1 (malformed answer)", "unknown :2 (malformed answer)", "unknown :2 (malformed answer)",
			"unknown odd:1 (malformed answer)", "unknown odd:2 (malformed answer)", "unknown other:1 (malformed answer)", "unknown other:2 (malformed answer)"},
		"harbour/{a,odd}:v*": {"unknown :v* (malformed answer)", "unknown :v* (malformed answer)", "absent a:v* (no such tag)", "unknown odd:v* (malformed answer)"},
	} {
		f := &fake{rows: rows(nil, repos...)}
		results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, text), discover.Options{})
		if err != nil || !sum.Finished || sum.Complete || sum.Listed != 5 {
			t.Errorf("%s: error %v, summary %+v", text, err, sum)
		}
		if diff := cmp.Diff(want, short(results)); diff != "" {
			t.Errorf("%s: results (-want +got):\n%s", text, diff)
		}
		for _, asked := range f.asked {
			if !strings.HasPrefix(asked, "tags a~") {
				t.Errorf("%s: asked %q", text, asked)
			}
		}
	}
}

// An answer about the whole repository is not asked for again for its next tag.
func TestSeveralNames(t *testing.T) {
	f := &fake{rows: rows(nil, named("busy", "gone", "well")...)}
	f.lookUp = func(_ context.Context, repo, name string) (tag, bool, error) {
		switch {
		case repo == "gone":
			return tag{}, false, quay.ErrForbidden
		case repo == "busy" && name == "a":
			return tag{}, false, quay.ErrRateLimited
		}
		return tag{}, name == "b", nil
	}
	results, _, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:{a,b,c}"), discover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"unknown busy:a (rate limited)", "present busy:b", "absent busy:c (no such tag)",
		"unknown gone:a (gone or private)", "unknown gone:b (gone or private)", "unknown gone:c (gone or private)",
		"absent well:a (no such tag)", "present well:b", "absent well:c (no such tag)",
	}
	if diff := cmp.Diff(want, short(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if len(f.asked) != 7 {
		t.Errorf("asked %d times, want 7: %v", len(f.asked), f.asked)
	}
}

func TestTagGlob(t *testing.T) {
	tags := map[string][]tag{
		"many":   {{name: "2025.2-arm"}, {name: "2025.1-arm"}, {name: "2025.1-amd"}, {name: "latest"}},
		"none":   {{name: "x2025.1"}},
		"broken": {{name: "2025.1-arm"}},
	}
	f := &fake{rows: rows(nil, named("broken", "many", "none")...)}
	f.list = func(_ context.Context, repo string, page int) ([]tag, bool, error) {
		if page == 2 {
			return nil, false, quay.ErrUnavailable
		}
		return tags[repo], repo == "broken", nil
	}
	results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:2025.1*"), discover.Options{Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"unknown broken:2025.1* (server error)", "present broken:2025.1-arm",
		"present many:2025.1-amd", "present many:2025.1-arm",
		"absent none:2025.1* (no such tag)",
	}
	if diff := cmp.Diff(want, short(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tags broken~2025.1", "tags many~2025.1", "tags none~2025.1"}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if sum.Checked != 3 || sum.Present != 3 || sum.Absent != 1 || sum.Unknown != 1 {
		t.Errorf("summary = %+v", sum)
	}
}

// Tags come newest first, so the first that is too old is the last one read.
func TestTagGlobStopsAtSince(t *testing.T) {
	f := &fake{rows: rows(nil, named("a")...)}
	pages := 0
	f.list = func(_ context.Context, _ string, page int) ([]tag, bool, error) {
		pages = page
		return []tag{{name: fmt.Sprint("v", 9-page), started: noon.Add(-48 * time.Hour * time.Duration(page-1))}}, page < 3, nil
	}
	results, _, err := discover.Collect(t.Context(), f.client(t), pattern(t, "quay://harbour/*:v*?since=1d"), discover.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"present a:v8"}, short(results)); diff != "" || pages != 2 {
		t.Errorf("%d pages read; results (-want +got):\n%s", pages, diff)
	}
}

func TestEverythingRefusedIsSaid(t *testing.T) {
	private := row{name: "a", private: true}
	for _, c := range []struct {
		repos  []row
		denied bool
	}{
		{named("a", "b"), true},
		{[]row{private}, true},
		{named("a"), false}, // gone: a public repository can be read by anyone
		{append(named("fine"), private), false},
	} {
		f := &fake{rows: rows(nil, c.repos...)}
		f.lookUp = func(_ context.Context, repo, name string) (tag, bool, error) {
			if repo == "fine" {
				return tag{}, true, nil
			}
			return tag{}, false, quay.ErrUnauthenticated
		}
		_, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
		if err != nil || sum.Denied != c.denied || sum.Denied != (len(sum.Hints) > 0) {
			t.Errorf("%d repositories: error %v, summary %+v", len(c.repos), err, sum)
		}
	}
}

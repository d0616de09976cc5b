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
	repo := func(name, state string, age time.Duration) discover.Repository {
		return discover.Repository{Name: name, Public: true, State: state, LastModified: noon.Add(-age)}
	}
	const day = 24 * time.Hour
	empty := discover.Repository{Name: "nova-empty", Empty: true}
	f := &fake{rows: rows(nil,
		repo("nova-api", "NORMAL", day),
		repo("nova-frozen", "READ_ONLY", day),
		repo("nova-copied", "ORG_MIRROR", day),
		repo("nova-novel", "SOMETHING_NEW", day),
		repo("nova-edge", "NORMAL", 30*day),
		repo("nova-old", "NORMAL", 30*day+time.Second),
		discover.Repository{Name: "nova-undated"},
		empty,
		repo("nova-dying", "MARKED_FOR_DELETION", day),
		repo("nova/deep", "NORMAL", day),
		repo("glance", "NORMAL", day),
		repo("glance/nova-x", "NORMAL", day),
	)}
	f.tag = func(_ context.Context, _, name string) (discover.Tag, bool, error) {
		return discover.Tag{Name: name, Started: noon}, true, nil
	}
	_, sum, err := discover.Collect(t.Context(), f, pattern(t, "quay://harbour/nova*:1?since=30d"), discover.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	want := map[discover.Reason]int{
		discover.NoMatch: 2, discover.Nested: 1, discover.Deleted: 1, discover.NoLiveTag: 1, discover.TooOld: 1,
	}
	if diff := cmp.Diff(want, sum.Pruned); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
	slices.Sort(f.asked)
	asked := []string{"tag nova-api:1", "tag nova-copied:1", "tag nova-edge:1", "tag nova-frozen:1", "tag nova-novel:1", "tag nova-undated:1"}
	if diff := cmp.Diff(asked, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if sum.Listed != 12 || sum.Candidates != 6 || sum.Checked != 6 || !sum.Complete || len(sum.Hints) != 1 {
		t.Errorf("summary = %+v", sum)
	}
}

func TestTagOwnStartDecides(t *testing.T) {
	repos := named("old-tag", "young-tag")
	for i := range repos {
		repos[i].LastModified = noon
	}
	f := &fake{rows: rows(nil, repos...)}
	f.tag = func(_ context.Context, repo, name string) (discover.Tag, bool, error) {
		started := noon.Add(-24 * time.Hour) // counts: the age is exactly the bound
		if repo == "old-tag" {
			started = started.Add(-time.Second)
		}
		return discover.Tag{Name: name, Digest: "sha256:00", Started: started}, true, nil
	}
	results, _, err := discover.Collect(t.Context(), f, pattern(t, "quay://harbour/*:1?since=1d"), discover.Options{Now: clock})
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
		"a-401":     &quay.Error{Op: "tag", Status: 401, Err: quay.ErrUnauthenticated},
		"b-403":     &quay.Error{Op: "tag", Status: 403, Err: quay.ErrForbidden},
		"c-404":     &quay.Error{Op: "tag", Status: 404, Err: quay.ErrNotFound},
		"d-429":     &quay.Error{Op: "tag", Status: 429, Err: quay.ErrRateLimited},
		"e-502":     &quay.Error{Op: "tag", Status: 502, Err: quay.ErrUnavailable},
		"f-broken":  &quay.Error{Op: "tag", Status: 200, Err: quay.ErrMalformed},
		"g-silent":  &quay.Error{Op: "tag", Err: quay.ErrUnavailable},
		"h-timeout": fmt.Errorf("one attempt: %w", context.DeadlineExceeded),
		"i-other":   errors.New("something else"),
		"j-fine":    nil,
		"K no name": quay.ErrInvalid, // listed by the server, and no name
	}
	repos := named()
	for name := range answers {
		repos = append(repos, named(name)...)
	}
	f := &fake{rows: rows(nil, repos...)}
	f.tag = func(_ context.Context, repo, _ string) (discover.Tag, bool, error) {
		return discover.Tag{}, false, answers[repo]
	}
	results, sum, err := discover.Collect(t.Context(), f, pattern(t, "harbour/*:1"), discover.Options{})
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
		if !errors.Is(r.Err, answers[r.Repository]) {
			t.Errorf("%s: cause %v", r.Repository, r.Err)
		}
	}
	if sum.Unknown != 10 || sum.Absent != 1 || sum.Unknowns[discover.GoneOrPrivate] != 3 {
		t.Errorf("summary = %+v", sum)
	}
}

// A row of the listing that makes no sense is one unknown image, of which nothing is asked.
func TestInvalidRowIsUnknown(t *testing.T) {
	bad := fmt.Errorf("%w: name is empty", quay.ErrMalformed)
	repos := append(named("a", "odd", "other", ""), discover.Repository{})
	for i := range repos[1:] {
		repos[i+1].Err = bad
	}
	for text, want := range map[string][]string{
		"harbour/[ao]d*:1": {"unknown :1 (malformed answer)", "unknown :1 (malformed answer)", "unknown odd:1 (malformed answer)"},
		"harbour/o*:1,2": {"unknown :1 (malformed answer)", "unknown :1 (malformed answer)", "unknown :2 (malformed answer)", "unknown :2 (malformed answer)",
			"unknown odd:1 (malformed answer)", "unknown odd:2 (malformed answer)", "unknown other:1 (malformed answer)", "unknown other:2 (malformed answer)"},
		"harbour/{a,odd}:v*": {"unknown :v* (malformed answer)", "unknown :v* (malformed answer)", "absent a:v* (no such tag)", "unknown odd:v* (malformed answer)"},
	} {
		f := &fake{rows: rows(nil, repos...)}
		results, sum, err := discover.Collect(t.Context(), f, pattern(t, text), discover.Options{})
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

// What is true of the repository is not asked again for its next tag.
func TestSeveralNames(t *testing.T) {
	f := &fake{rows: rows(nil, named("busy", "gone", "well")...)}
	f.tag = func(_ context.Context, repo, name string) (discover.Tag, bool, error) {
		switch {
		case repo == "gone":
			return discover.Tag{}, false, quay.ErrForbidden
		case repo == "busy" && name == "a":
			return discover.Tag{}, false, quay.ErrRateLimited
		}
		return discover.Tag{Name: name}, name == "b", nil
	}
	results, _, err := discover.Collect(t.Context(), f, pattern(t, "harbour/*:{a,b,c}"), discover.Options{})
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
	f := &fake{
		rows:    rows(nil, named("broken", "many", "none")...),
		tagsErr: quay.ErrUnavailable,
		tags: map[string][]discover.Tag{
			"many":   {{Name: "2025.2-arm"}, {Name: "2025.1-arm"}, {Name: "2025.1-amd"}, {Name: "latest"}},
			"none":   {{Name: "x2025.1"}},
			"broken": {{Name: "2025.1-arm"}, {Name: "!"}},
		},
	}
	results, sum, err := discover.Collect(t.Context(), f, pattern(t, "harbour/*:2025.1*"), discover.Options{Jobs: 1})
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
	f := &fake{rows: rows(nil, named("a")...), tags: map[string][]discover.Tag{"a": {
		{Name: "v2", Started: noon},
		{Name: "v1", Started: noon.Add(-48 * time.Hour)},
		{Name: "v0", Started: noon.Add(-72 * time.Hour)},
	}}}
	results, _, err := discover.Collect(t.Context(), f, pattern(t, "quay://harbour/*:v*?since=1d"), discover.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"present a:v2"}, short(results)); diff != "" || f.yields.Load() != 2 {
		t.Errorf("%d tags read; results (-want +got):\n%s", f.yields.Load(), diff)
	}
}

func TestEverythingRefusedIsSaid(t *testing.T) {
	private := discover.Repository{Name: "a"}
	for _, c := range []struct {
		repos  []discover.Repository
		denied bool
	}{
		{named("a", "b"), true},
		{[]discover.Repository{private}, true},
		{named("a"), false}, // gone: a public repository can be read by anyone
		{append(named("fine"), private), false},
	} {
		f := &fake{rows: rows(nil, c.repos...)}
		f.tag = func(_ context.Context, repo, name string) (discover.Tag, bool, error) {
			if repo == "fine" {
				return discover.Tag{Name: name}, true, nil
			}
			return discover.Tag{}, false, quay.ErrUnauthenticated
		}
		_, sum, err := discover.Collect(t.Context(), f, pattern(t, "harbour/*:1"), discover.Options{})
		if err != nil || sum.Denied != c.denied || sum.Denied != (len(sum.Hints) > 0) {
			t.Errorf("%d repositories: error %v, summary %+v", len(c.repos), err, sum)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
)

// Every repository and tag that a pattern names has a result, also a tag that the repository
// lacks. A named repository that the listing lacks is looked up by name.
func TestWhatThePatternNames(t *testing.T) {
	repos := named("a", "b", "bare", "aged", "other")
	for i := range repos {
		repos[i].changed = noon
	}
	repos[2].empty = true
	repos[3].changed = noon.AddDate(-5, 0, 0)
	carried := map[string][]tag{}
	for _, r := range repos {
		carried[r.name] = []tag{{name: "1", started: noon}, {name: "0", started: noon.AddDate(-1, 0, 0)}}
	}
	for _, c := range []struct {
		pattern           string
		want              []string
		missing, unlisted int
	}{
		// Globs name nothing.
		{"*:1", []string{"present a:1", "present aged:1", "present b:1", "present other:1"}, 0, 0},
		{"*:2", []string{"absent a:2 (no such tag)", "absent aged:2 (no such tag)", "absent b:2 (no such tag)", "absent other:2 (no such tag)"}, 0, 0},
		{"z*:1", nil, 0, 0},
		{"a:9*", []string{"absent a:9* (no such tag)"}, 0, 1},
		// Each item of a list, in the repositories and in the tags.
		{"{a,b}:2", []string{"absent a:2 (no such tag)", "absent b:2 (no such tag)"}, 2, 0},
		{"a,b:{1,2}", []string{"present a:1", "absent a:2 (no such tag)", "present b:1", "absent b:2 (no such tag)"}, 2, 0},
		{"a,oth*:2", []string{"absent a:2 (no such tag)", "absent other:2 (no such tag)"}, 1, 0},
		{"a,b,!b:2", []string{"absent a:2 (no such tag)"}, 1, 1}, // one is left, and is asked for at once
		// A tag that is named beside a glob or a range.
		{"{a,b}:1,2,9*", []string{"present a:1", "absent a:2 (no such tag)", "present b:1", "absent b:2 (no such tag)"}, 2, 0},
		{"{a,b}:2,~7,!2", []string{"absent a:2,~7,!2 (no such tag)", "absent b:2,~7,!2 (no such tag)"}, 0, 0},
		{"*:2,1*", []string{"present a:1", "present aged:1", "present b:1", "present other:1"}, 0, 0},
		// What the listing lacks.
		{"{a,gone}:1", []string{"present a:1", "absent gone:1 (no such repository)"}, 1, 1},
		{"a*,gone:{1,2}", []string{
			"present a:1", "absent a:2 (no such tag)", "present aged:1", "absent aged:2 (no such tag)",
			"absent gone:1 (no such repository)", "absent gone:2 (no such repository)"}, 2, 1},
		{"{a,gone}:1*", []string{"present a:1", "absent gone:1* (no such repository)"}, 1, 1},
		{"{a,hidden}:1", []string{"present a:1", "unknown hidden:1 (gone or private)"}, 0, 1},
		{"{a,late}:1", []string{"present a:1", "present late:1"}, 0, 1}, // made since it was listed
		{"gone:1", []string{"absent gone:1 (no such repository)"}, 1, 1},
		// What the listing answers for.
		{"{a,bare}:1", []string{"present a:1", "absent bare:1 (no live tag)"}, 1, 0},
		{"a*,bare:{1,9*}", []string{"present a:1", "present aged:1", "absent bare:1 (no live tag)"}, 1, 0},
		// Age leaves out by request, and is no loss.
		{"{a,aged}:1?since=30d", []string{"present a:1"}, 0, 0},
		{"{a,b}:0?since=30d", []string{"absent a:0 (older than since)", "absent b:0 (older than since)"}, 0, 0},
		{"{a,b}:0,2,1*?since=30d", []string{
			"absent a:0 (older than since)", "present a:1", "absent a:2 (no such tag)",
			"absent b:0 (older than since)", "present b:1", "absent b:2 (no such tag)"}, 2, 0},
	} {
		f := &fake{rows: rows(nil, repos...)}
		f.list = func(_ context.Context, repo string, _ int) ([]tag, bool, error) {
			if repo == "gone" {
				return nil, false, quay.ErrNotFound
			}
			return carried[repo], false, nil
		}
		f.lookUp = func(_ context.Context, repo, name string) (tag, bool, error) {
			switch repo {
			case "gone":
				return tag{}, false, quay.ErrNotFound
			case "hidden":
				return tag{}, false, quay.ErrUnauthenticated
			case "late":
				return tag{started: noon}, true, nil
			}
			i := slices.IndexFunc(carried[repo], func(t tag) bool { return t.name == name })
			if i < 0 {
				return tag{}, false, nil
			}
			return carried[repo][i], true, nil
		}
		results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/"+c.pattern), discover.Options{Now: clock})
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		}
		if diff := cmp.Diff(c.want, short(results)); diff != "" {
			t.Errorf("%s: results (-want +got):\n%s", c.pattern, diff)
		}
		if sum.Missing != c.missing || sum.Unlisted != c.unlisted || sum.Complete != (c.missing+sum.Unknown == 0) || !sum.Finished || sum.Denied {
			t.Errorf("%s: want %d missing, %d unlisted: %+v", c.pattern, c.missing, c.unlisted, sum)
		}
		if pruned := sum.Skipped[discover.NoMatch] + sum.Skipped[discover.NoLiveTag] + sum.Skipped[discover.TooOld]; sum.Listed+sum.Unlisted != pruned+sum.Candidates {
			t.Errorf("%s: the counts do not add up: %+v", c.pattern, sum)
		}
		for _, r := range results {
			if r.Verdict != discover.Present && r.Reason == "" {
				t.Errorf("%s: no reason: %+v", c.pattern, r)
			}
		}
	}
}

// A misspelt organization is asked about once, however many repositories are named.
func TestNamesInAMisspeltOrganization(t *testing.T) {
	f := &fake{rows: rows(nil), missing: true}
	results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "habour/{a,b,c}:1"), discover.Options{})
	if !errors.Is(err, discover.ErrNoNamespace) || len(results) > 0 || sum.Complete || !slices.Equal(f.asked, []string{"namespace habour"}) {
		t.Errorf("error %v, results %v, asked %v", err, results, f.asked)
	}
}

// An invalid row of a tag list is one unknown result, and hides no other tag.
func TestOddTagsAreUnknown(t *testing.T) {
	f := &fake{rows: rows(nil, named("a", "b")...), list: carrying(map[string][]tag{
		"a": {{name: "1.0", started: noon}, {name: "1.1", odd: true}, {name: "2", odd: true}, {name: "1.2", started: noon}},
		"b": {{name: "1.1", odd: true}},
	})}
	results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1.*?since=30d"), discover.Options{Now: clock})
	want := []string{"present a:1.0", "unknown a:1.1 (malformed answer)", "present a:1.2", "unknown b:1.1 (malformed answer)"}
	if diff := cmp.Diff(want, short(results)); diff != "" || err != nil || sum.Complete {
		t.Errorf("error %v, results (-want +got):\n%s", err, diff)
	}
}

// A repository with an invalid name is one unknown result.
func TestOddNamesAreUnknown(t *testing.T) {
	odd := []string{"a b", "a\x1b[31m", "a\nb", "naïve", "Upper", strings.Repeat("x", 256)}
	f := &fake{rows: rows(nil, named(append(odd, "well")...)...)}
	_, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*,!z*:1"), discover.Options{})
	if err != nil || sum.Unknowns[discover.Malformed] != len(odd) || sum.Present != 1 || sum.Complete {
		t.Errorf("error %v, summary %+v", err, sum)
	}
}

// Invalid rows alone do not show that the server ignores the token: the run asks the server.
func TestOddRowsShowNothingAboutTheToken(t *testing.T) {
	odd := named("a", "b")
	odd[0].odd, odd[1].odd = true, true
	f := &fake{rows: rows(nil, odd...)}
	_, sum, err := discover.Collect(t.Context(), f.client(t, quay.WithToken("someone's")), pattern(t, "harbour/*:1"), discover.Options{})
	if err != nil || sum.TokenIgnored || sum.CallerKnown != discover.Yes || sum.Unknown != 2 {
		t.Errorf("error %v, summary %+v", err, sum)
	}
}

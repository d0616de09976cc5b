// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func TestCollectSortsByNameThenTag(t *testing.T) {
	f := &fake{rows: rows(nil, named("nova", "glance", "aodh", "nova-api")...)}
	results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:{b,a}"), discover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !sum.Complete || sum.Listed != 4 || sum.Checked != 4 || sum.CallerKnown != discover.No {
		t.Errorf("summary = %+v", sum)
	}
	names := slices.Compact(slices.Collect(func(yield func(string) bool) {
		for _, r := range results {
			yield(r.Repository)
		}
	}))
	if diff := cmp.Diff([]string{"aodh", "glance", "nova", "nova-api"}, names); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if !slices.IsSortedFunc(results, func(a, b discover.Result) int {
		return strings.Compare(a.Repository+" "+a.Tag, b.Repository+" "+b.Tag)
	}) {
		t.Errorf("not sorted: %v", short(results))
	}
}

// The second row comes only when the first one's result is out.
func TestChecksStartBeforeTheListingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(chan struct{})
		f := &fake{page: 1, rows: func(yield func(row, error) bool) {
			if yield(named("first")[0], nil) {
				<-out
				yield(named("second")[0], nil)
			}
		}}
		var got []string
		for r := range discover.Resolve(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{}).Results() {
			if got = append(got, r.Repository); len(got) == 1 {
				close(out)
			}
		}
		if diff := cmp.Diff([]string{"first", "second"}, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

func TestJobsBoundWhatIsInFlight(t *testing.T) {
	for _, c := range []struct{ jobs, want int }{{1, 1}, {5, 5}} {
		synctest.Test(t, func(t *testing.T) {
			var now, most int64
			f := &fake{rows: many(300)}
			f.lookUp = func(context.Context, string, string) (tag, bool, error) {
				f.mu.Lock()
				now++
				most = max(most, now)
				f.mu.Unlock()
				time.Sleep(time.Second)
				f.mu.Lock()
				now--
				f.mu.Unlock()
				return tag{}, false, nil
			}
			_, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{Jobs: c.jobs})
			if err != nil || sum.Absent != 300 {
				t.Fatalf("%d jobs: absent %d, %v", c.jobs, sum.Absent, err)
			}
			if most != int64(c.want) {
				t.Errorf("%d jobs: %d in flight, want %d", c.jobs, most, c.want)
			}
		})
	}
}

// A listing that is faster than the checks waits: it may run ahead by the jobs at
// work, as many in the queue, the one it holds, and the one that is prefetched.
func TestListingWaitsForTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 4
		var listed atomic.Int64
		all := many(1000)
		f := &fake{page: 1, rows: func(yield func(row, error) bool) {
			for r := range all {
				listed.Add(1)
				if !yield(r, nil) {
					return
				}
			}
		}}
		open := make(chan struct{})
		f.lookUp = func(context.Context, string, string) (tag, bool, error) {
			<-open
			return tag{}, false, nil
		}
		done := make(chan discover.Summary)
		p := pattern(t, "harbour/*:1")
		go func() {
			_, sum, _ := discover.Collect(t.Context(), f.client(t), p, discover.Options{Jobs: jobs})
			done <- sum
		}()
		synctest.Wait()
		if n := listed.Load(); n != 2*jobs+2 {
			t.Errorf("listed %d repositories while no check ended, want %d", n, 2*jobs+2)
		}
		close(open)
		if sum := <-done; sum.Checked != 1000 {
			t.Errorf("checked %d", sum.Checked)
		}
	})
}

// With Options.Skipped, a repository that matches by name and is left out has a result, which
// costs no request.
func TestPrunedResults(t *testing.T) {
	repos := named("aged", "bare", "doomed", "live", "other/deep", "zz")
	for i := range repos[:4] {
		repos[i].changed = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	repos[0].changed = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	repos[1].empty = true
	repos[2].state = "MARKED_FOR_DELETION"
	repos[3].private = true
	refuse := func(context.Context, string, string) (tag, bool, error) {
		return tag{}, false, quay.ErrForbidden
	}
	for _, c := range []struct {
		pattern string
		pruned  bool
		want    []string
	}{
		{"harbour/*,!zz:{1,2}?since=2024-01-01", false, []string{"unknown live:1 (gone or private)", "unknown live:2 (gone or private)"}},
		{"harbour/*,!zz:{1,2}?since=2024-01-01", true, []string{
			"absent aged:1 (older than since)", "absent aged:2 (older than since)",
			"absent bare:1 (no live tag)", "absent bare:2 (no live tag)",
			"absent doomed:1 (being deleted)", "absent doomed:2 (being deleted)",
			"unknown live:1 (gone or private)", "unknown live:2 (gone or private)",
		}},
		{"harbour/bar*:1.*", true, []string{"absent bare:1.* (no live tag)"}},
	} {
		f := &fake{rows: rows(nil, repos...), lookUp: refuse}
		results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, c.pattern), discover.Options{Skipped: c.pruned})
		if err != nil || !sum.Finished || len(f.asked) > 1 {
			t.Errorf("%s: error %v, asked %v", c.pattern, err, f.asked)
		}
		if diff := cmp.Diff(c.want, short(results)); diff != "" {
			t.Errorf("%s, pruned %v (-want +got):\n%s", c.pattern, c.pruned, diff)
		}
		if sum.Denied != (sum.Unknown > 0) || sum.Listed != 6 {
			t.Errorf("%s, pruned %v: summary %+v", c.pattern, c.pruned, sum)
		}
		for _, r := range results {
			if r.Skipped != (r.Verdict == discover.Absent) || r.Public != (r.Repository != "live") {
				t.Errorf("result %+v", r)
			}
		}
	}
}

func TestBreakStopsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{rows: many(1_000_000)}
		var ended atomic.Int64
		f.lookUp = func(ctx context.Context, repo, _ string) (tag, bool, error) {
			if repo == "image-000003" {
				time.Sleep(time.Second) // until the others are at work
				return tag{}, true, nil
			}
			<-ctx.Done()
			ended.Add(1)
			return tag{}, false, ctx.Err()
		}
		r := discover.Resolve(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{Jobs: 4})
		n := 0
		for range r.Results() {
			n++
			break
		}
		// Every goroutine has ended: the bubble would not, otherwise.
		if n != 1 || ended.Load() == 0 {
			t.Errorf("%d results, %d checks ended by the break", n, ended.Load())
		}
		if sum := r.Summary(); sum.Complete || sum.Present != 1 || r.Err() != nil {
			t.Errorf("summary = %+v, error %v", sum, r.Err())
		}
	})
}

func TestBreakAtTheLastResultIsABreak(t *testing.T) {
	run := discover.Resolve(t.Context(), (&fake{rows: rows(nil, named("only")...)}).client(t), pattern(t, "harbour/*:1"), discover.Options{})
	for range run.Results() {
		break
	}
	if sum := run.Summary(); sum.Complete || sum.Present != 1 || run.Err() != nil {
		t.Errorf("error %v, summary %+v", run.Err(), sum)
	}
}

func TestPanicInTheLoopIsNotHidden(t *testing.T) {
	f := &fake{rows: many(1000)}
	r := discover.Resolve(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	defer func() {
		if got := recover(); got != "enough" {
			t.Errorf("recovered %v", got)
		}
		if r.Summary().Complete {
			t.Error("complete")
		}
	}()
	for range r.Results() {
		panic("enough")
	}
}

func TestCancelGivesWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{rows: many(100)}
		f.lookUp = func(ctx context.Context, repo, name string) (tag, bool, error) {
			if repo < "image-000010" {
				return tag{}, true, nil
			}
			select {
			case <-time.After(time.Hour):
				return tag{}, false, nil
			case <-ctx.Done():
				return tag{}, false, fmt.Errorf("in flight: %w", ctx.Err())
			}
		}
		began := time.Now()
		time.AfterFunc(time.Minute, cancel)
		results, sum, err := discover.Collect(ctx, f.client(t), pattern(t, "harbour/*:1"), discover.Options{Jobs: 1})
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %v after a minute", took)
		}
		if !errors.Is(err, context.Canceled) || sum.Complete {
			t.Errorf("error %v, complete %v", err, sum.Complete)
		}
		if len(results) != 10 || sum.Present != 10 || sum.Unknown != 0 || sum.Checked != 10 {
			t.Errorf("%d results, summary %+v", len(results), sum)
		}
		if sum.Namespace != discover.NamespaceFound {
			t.Errorf("namespace %q", sum.Namespace)
		}
	})
}

// A listing that ends without an error when it is cancelled has not
// listed all, whatever the caller's reason.
func TestListingCutShortIsNotComplete(t *testing.T) {
	why := errors.New("enough for today")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := &fake{page: 1, rows: func(yield func(row, error) bool) {
		yield(named("a")[0], nil)
		<-ctx.Done()
	}}
	r := discover.Resolve(ctx, f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	for range r.Results() {
		cancel(why)
	}
	if sum := r.Summary(); !errors.Is(r.Err(), context.Canceled) || sum.Complete || sum.Present != 1 {
		t.Errorf("error %v, summary %+v", r.Err(), sum)
	}
}

func TestCancelEndsTagLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{rows: many(100)}
		f.list = func(ctx context.Context, _ string, _ int) ([]tag, bool, error) {
			<-ctx.Done()
			return nil, false, ctx.Err()
		}
		time.AfterFunc(time.Minute, cancel)
		results, sum, err := discover.Collect(ctx, f.client(t), pattern(t, "harbour/*:1*"), discover.Options{})
		if !errors.Is(err, context.Canceled) || sum.Complete || len(results) > 0 {
			t.Errorf("error %v, %d results, summary %+v", err, len(results), sum)
		}
	})
}

func TestDeadlineIsSeen(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	f := &fake{rows: many(100)}
	f.lookUp = func(ctx context.Context, _, _ string) (tag, bool, error) {
		return tag{}, false, ctx.Err()
	}
	_, sum, err := discover.Collect(ctx, f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	if !errors.Is(err, context.DeadlineExceeded) || sum.Complete {
		t.Errorf("error %v, complete %v", err, sum.Complete)
	}
}

func TestBrokenListingIsNotComplete(t *testing.T) {
	f := &fake{rows: rows(quay.ErrUnavailable, named("a", "b")...)}
	results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	if !errors.Is(err, quay.ErrUnavailable) || sum.Complete {
		t.Errorf("error %v, complete %v", err, sum.Complete)
	}
	if diff := cmp.Diff([]string{"present a:1", "present b:1"}, short(results)); diff != "" {
		t.Errorf("what was listed is checked (-want +got):\n%s", diff)
	}
}

func TestWhatConcernsTheRunEndsIt(t *testing.T) {
	for _, ends := range []error{quay.ErrNoListing} {
		f := &fake{rows: many(1_000_000)}
		f.lookUp = func(context.Context, string, string) (tag, bool, error) {
			return tag{}, false, ends
		}
		results, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
		if !errors.Is(err, ends) || sum.Complete || len(results) > 0 {
			t.Errorf("%v: error %v, complete %v, %d results", ends, err, sum.Complete, len(results))
		}
		if len(f.asked) > discover.DefaultJobs {
			t.Errorf("%v: asked %d times", ends, len(f.asked))
		}
	}
}

func TestInvalidPatternIsRefusedUnasked(t *testing.T) {
	f := &fake{}
	_, sum, err := discover.Collect(t.Context(), f.client(t), ref.Pattern{}, discover.Options{})
	if !errors.Is(err, quay.ErrInvalid) || sum.Complete || len(f.asked) > 0 {
		t.Errorf("error %v, complete %v, asked %v", err, sum.Complete, f.asked)
	}
}

// A token that expires between two pages would hide private repositories.
func TestTokenThatLapsesWhileListing(t *testing.T) {
	repos := named("a", "b")
	repos[0].known = true
	f := &fake{rows: rows(nil, repos...)}
	_, sum, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	if !errors.Is(err, quay.ErrUnauthenticated) || sum.Complete || sum.CallerKnown != discover.No {
		t.Errorf("error %v, summary %+v", err, sum)
	}
}

func TestResultsAreHandedOutOnce(t *testing.T) {
	f := &fake{rows: rows(nil, named("a")...)}
	r := discover.Resolve(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	if sum := r.Summary(); sum.Complete {
		t.Error("complete before it began")
	}
	first, second := slices.Collect(r.Results()), slices.Collect(r.Results())
	if len(first) != 1 || len(second) != 0 || !r.Summary().Complete {
		t.Errorf("%d, then %d results", len(first), len(second))
	}
}

func TestProgressWhileAwaitingAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{rows: many(3)}
		f.lookUp = func(context.Context, string, string) (tag, bool, error) {
			time.Sleep(time.Minute)
			return tag{}, false, nil
		}
		var seen []discover.Progress
		_, _, err := discover.Collect(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{
			Jobs:     1,
			Progress: func(p discover.Progress) { seen = append(seen, p) },
		})
		if err != nil || len(seen) < 100 {
			t.Fatalf("told %d times, %v", len(seen), err)
		}
		early := discover.Progress{Listing: true, Listed: 3, Candidates: 3, Elapsed: time.Second}
		early.Pace, seen[4].Pace = quay.Pace{}, quay.Pace{}
		if diff := cmp.Diff(early, seen[4]); diff != "" {
			t.Errorf("after a second (-want +got):\n%s", diff)
		}
		end := discover.Progress{Listed: 3, Candidates: 3, Checked: 3, Absent: 3, Elapsed: 3 * time.Minute}
		seen[len(seen)-1].Pace = quay.Pace{}
		if diff := cmp.Diff(end, seen[len(seen)-1]); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
	})
}

// Nothing is kept of a repository after its results were yielded.
func TestMemoryDoesNotGrow(t *testing.T) {
	const n = 20_000
	f := &fake{rows: many(n), silent: true}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	r := discover.Resolve(t.Context(), f.client(t), pattern(t, "harbour/*:1"), discover.Options{})
	var early, late uint64
	seen := 0
	for range r.Results() {
		switch seen++; seen {
		case n / 10:
			early = heap()
		case n:
			late = heap()
		}
	}
	if late == 0 || late > early+1<<20 {
		t.Errorf("%d results; heap grew from %d to %d bytes", seen, early, late)
	}
}

// many lists n repositories that are made as they are listed.
func many(n int) func(func(row, error) bool) {
	return func(yield func(row, error) bool) {
		for i := range n {
			if !yield(row{name: fmt.Sprintf("image-%06d", i)}, nil) {
				return
			}
		}
	}
}

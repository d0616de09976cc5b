// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

// DefaultJobs is how many repositories are checked at once by default.
const DefaultJobs = 256

// MaxJobs is how many repositories are checked at once at most.
const MaxJobs = 1000

// Options are the settings of a run. The zero value is ready to use.
type Options struct {
	// Jobs is how many repositories are checked at once, at most MaxJobs; 0 or less
	// is DefaultJobs. The client limits the rate of requests, whatever Jobs is.
	Jobs int

	// Now returns the time that an age such as since=30d is counted back from. Nil
	// is time.Now.
	Now func() time.Time

	// Skipped asks for a result for each repository that matches by name and is left
	// out without a request: Absent with its Reason. Images that the pattern names
	// (Result.Named) always have a result, unless they are too old.
	Skipped bool

	// Progress, if set, is called five times a second while results are awaited,
	// and at the end, from the goroutine that ranges over Run.Results.
	Progress func(Progress)

	// Logger logs the end of the listing and of the run, and each Unknown result, at
	// level Info. Nil discards.
	Logger *slog.Logger
}

// Progress is how far a run is.
type Progress struct {
	Listing    bool // the listing goes on, so Candidates may grow
	Listed     int  // repositories listed
	Candidates int  // repositories that need a check
	Checked    int  // of Candidates: their check has ended
	Present    int  // results by verdict
	Absent     int
	Unknown    int
	Elapsed    time.Duration
	Pace       quay.Pace // of the client
}

// A Run resolves one pattern. Make it with [Resolve].
type Run struct {
	outer   context.Context // the caller's
	finder  *Finder
	pattern ref.Pattern
	options Options
	started atomic.Bool

	mu      sync.Mutex
	summary Summary
	err     error
}

// Resolve prepares a run that finds the images of p with client. Use a [Finder] to
// resolve several patterns of one server. Nothing is sent before the loop over
// Run.Results. The context limits the run: when it ends, Run.Results ends after the
// results that are known, and Run.Err returns the context's error.
//
// If the pattern selects one repository by its exact name, the run looks its tags up
// without a listing; see Result.Unlisted. If it names several, the run lists the
// namespace, and asks by name for those that the listing lacks.
//
// A pattern with the host of another server is an error.
func Resolve(ctx context.Context, client *quay.Client, p ref.Pattern, o Options) *Run {
	return NewFinder(client).Resolve(ctx, p, o)
}

// Resolve prepares a run, as the function [Resolve].
func (f *Finder) Resolve(ctx context.Context, p ref.Pattern, o Options) *Run {
	if o.Jobs <= 0 {
		o.Jobs = DefaultJobs
	}
	o.Jobs = min(o.Jobs, MaxJobs)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Run{outer: ctx, finder: f, pattern: p, options: o}
}

// Results executes the run and yields results in the order in which they arrive. To
// break off the loop stops the run. All goroutines have ended when the loop ends.
// A second loop yields nothing.
func (r *Run) Results() iter.Seq[Result] {
	return func(yield func(Result) bool) {
		if r.started.CompareAndSwap(false, true) {
			r.resolve(yield)
		}
	}
}

// Summary returns what the run found and what it cost, once Results has ended. Before
// it returns the zero Summary.
func (r *Run) Summary() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary
}

// Err returns why the answer is not that of the whole namespace, once Results has
// ended: the error of the context or the listing, an invalid pattern,
// [ErrNoNamespace] or [ErrTokenIgnored]. It returns nil if the run went through,
// whatever its verdicts, and if the caller broke off the loop; Summary.Finished
// distinguishes these two.
func (r *Run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Collect resolves p with client and returns all results, sorted by repository and
// tag, with the results of Run.Summary and Run.Err. With an error it returns the
// results that are known. Collect holds all results in memory; [Resolve] does not.
func Collect(ctx context.Context, client *quay.Client, p ref.Pattern, o Options) ([]Result, Summary, error) {
	r := Resolve(ctx, client, p, o)
	results := slices.Collect(r.Results())
	slices.SortFunc(results, func(a, b Result) int {
		if order := strings.Compare(a.Repository, b.Repository); order != 0 {
			return order
		}
		return strings.Compare(a.Tag, b.Tag)
	})
	return results, r.Summary(), r.Err()
}

// check returns an error if the pattern cannot be resolved.
func (r *Run) check() error {
	if err := ref.ValidNamespace(r.pattern.Namespace); err != nil {
		return fmt.Errorf("%w: namespace: %w", quay.ErrInvalid, err)
	}
	if !r.finder.serves(r.pattern) {
		return fmt.Errorf("%w: the pattern is for %s and the client for %s: use a client for %s",
			quay.ErrInvalid, r.pattern.Host, r.finder.Host(), r.pattern.Host)
	}
	return nil
}

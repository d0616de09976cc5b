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

// MaxJobs is how many repositories are checked at once at most: more than any
// server answers.
const MaxJobs = 1000

// Options are a run's settings. The zero Options is ready to use.
type Options struct {
	// Jobs is how many repositories are checked at once, MaxJobs at most; 0 or
	// less is DefaultJobs. The client's pace, not this, keeps a run polite.
	Jobs int

	// Now is the clock that an age such as since=30d counts from. Nil is
	// time.Now.
	Now func() time.Time

	// Pruned asks for a result of each repository that matches by name and is
	// left out without a request: it is Absent, and its Reason says why. Images
	// that the pattern spells out (Result.Named) have theirs in any case, unless
	// they are too old.
	Pruned bool

	// Progress, when set, is told how far the run is: some times a second
	// while results are awaited, and at the end. It is called from the
	// goroutine that ranges over Run.Results.
	Progress func(Progress)

	// Logger is told when the listing and the run end, and of each unknown.
	// Nil discards.
	Logger *slog.Logger
}

// Progress is how far a run is.
type Progress struct {
	Listing    bool // the listing still goes on, so Candidates may grow
	Listed     int  // repositories listed
	Candidates int  // of these, repositories that need a check
	Checked    int  // of these, repositories whose check has ended
	Present    int  // results
	Absent     int
	Unknown    int
	Elapsed    time.Duration
	Pace       Pace // how the server is asked now; zero when the catalog does not tell
}

// A Run is one pattern to resolve against a catalog.
type Run struct {
	outer   context.Context // the caller's
	catalog Catalog
	pattern ref.Pattern
	options Options
	started atomic.Bool

	mu      sync.Mutex
	summary Summary
	err     error
}

// Resolve prepares a run: it asks c which repositories match p and carry its
// tags. Nothing is sent before Run.Results is ranged over. ctx bounds the run;
// when it ends, what is known by then has been handed out, and Run.Err tells.
//
// A pattern whose repository is one plain name is not listed: its tags are
// asked for at once, which is one request for a tag instead of one for every
// hundred repositories of the namespace. The listing would have told whether
// it is public, and its state; see Result.Unlisted. If the pattern names several,
// the namespace is listed, and those that the listing lacks are asked for by name.
//
// The pattern's token is not looked at: it belongs to the client under c. A
// pattern that names a host other than c's is refused.
func Resolve(ctx context.Context, c Catalog, p ref.Pattern, o Options) *Run {
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
	return &Run{outer: ctx, catalog: c, pattern: p, options: o}
}

// Results does the run and yields its results as they come, in no order. To
// break off the loop stops the run; when the loop has ended, all its goroutines
// have. Results can be ranged over once: a second time it is empty.
func (r *Run) Results() iter.Seq[Result] {
	return func(yield func(Result) bool) {
		if r.started.CompareAndSwap(false, true) {
			r.resolve(yield)
		}
	}
}

// Summary tells what the run found and what it cost, once Results has ended.
// Before that it is the zero Summary.
func (r *Run) Summary() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary
}

// Err returns why the answer is not that of the whole namespace, once Results has
// ended: the context's error, the listing's, an invalid pattern, [ErrNoNamespace]
// or [ErrTokenIgnored]. It is nil when the run went through, whatever its verdicts,
// and when the caller broke off the loop; Summary.Finished separates these two.
func (r *Run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Collect resolves p and returns all the results, sorted by repository and then
// by tag, and what Run.Summary and Run.Err say. The results known by then
// come with an error too. It holds all the results in memory; Resolve does
// not.
func Collect(ctx context.Context, c Catalog, p ref.Pattern, o Options) ([]Result, Summary, error) {
	r := Resolve(ctx, c, p, o)
	results := slices.Collect(r.Results())
	slices.SortFunc(results, func(a, b Result) int {
		if order := strings.Compare(a.Repository, b.Repository); order != 0 {
			return order
		}
		return strings.Compare(a.Tag, b.Tag)
	})
	return results, r.Summary(), r.Err()
}

// target checks the pattern before anything is sent, and gives the host that
// results carry.
func target(c Catalog, p ref.Pattern) (host string, err error) {
	if err := ref.ValidNamespace(p.Namespace); err != nil {
		return "", fmt.Errorf("%w: namespace: %w", quay.ErrInvalid, err)
	}
	h, ok := c.(Host)
	if !ok || h.Host() == "" {
		return p.Host, nil
	}
	host = h.Host()
	if p.Host != "" && !sameHost(p.Host, host) {
		return "", fmt.Errorf("%w: the pattern is for %s and the client for %s: use a client for %s",
			quay.ErrInvalid, p.Host, host, p.Host)
	}
	return host, nil
}

// sameHost compares a pattern's host with a catalog's. The pattern has no
// scheme, so it may spell out the port of either.
func sameHost(pattern, catalog string) bool {
	return strings.EqualFold(pattern, catalog) ||
		bareHost(pattern, "https") == catalog || bareHost(pattern, "http") == catalog
}

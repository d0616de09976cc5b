// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/quay"
)

// progressEvery is how often Options.Progress is called.
const progressEvery = 200 * time.Millisecond

// A run is the state that the goroutines of one Run share. One goroutine lists and
// prefilters, Jobs goroutines check, and the caller's goroutine counts the results.
type run struct {
	*Run
	ctx       context.Context // ends with the outer context, or by stop
	stop      context.CancelCauseFunc
	byName    string // the only repository to look up; "" lists
	prefilter prefilter
	checker   checker

	candidates chan candidate // bounded, so that the listing waits for the checks
	results    chan Result    // must be drained
	began      time.Time
	before     quay.Stats

	// Each field is written by one goroutine. The others read it while the run goes on
	// if it is atomic, or after the end.
	listing                  atomic.Bool  // lister
	listed, waiting, checked atomic.Int64 // lister, lister, checkers

	skipped     map[Reason]int // lister
	unlisted    int            // lister: repositories looked up by name
	noNamespace bool           // lister: no organization or user has the name
	listedAll   bool           // lister: the listing came to its end
	listErr     error          // lister: or to this error
	known       bool           // lister: a row shows that the server knows the caller
	unknown     bool           // lister: a row shows that it does not

	sum   Summary // consumer
	broke bool    // consumer: the caller broke off the loop

	asked, askedUnlisted    int // consumer: results that were looked up; of these, of unlisted repositories
	nonexistent             int // consumer: results of repositories that do not exist
	private, denied, failed int // consumer: results of private repositories; of these, refused; server errors
}

// resolve executes the run.
func (r *Run) resolve(yield func(Result) bool) {
	n := &run{
		Run:        r,
		candidates: make(chan candidate, r.options.Jobs),
		results:    make(chan Result, r.options.Jobs),
		began:      time.Now(),
		skipped:    map[Reason]int{},
		before:     r.finder.client.Stats(),
	}
	n.sum = Summary{
		Pattern:     r.pattern.String(),
		Host:        r.finder.Host(),
		Skipped:     n.skipped,
		Unknowns:    map[Reason]int{},
		CallerKnown: NotAsked,
	}
	n.ctx, n.stop = context.WithCancelCause(r.outer)
	defer n.stop(nil)

	if err := r.check(); err != nil {
		r.end(n.sum, fmt.Errorf("discover: %s: %w", n.sum.Pattern, err))
		return
	}
	// Servers send times in whole seconds.
	since := r.pattern.Since.Time(r.options.Now()).Truncate(time.Second)
	n.byName, n.sum.ByName = r.pattern.Repositories.Literal()
	n.prefilter = prefilter{r.pattern.Repositories, since}
	n.checker = newChecker(r.finder, r.pattern, since, func(res Result) { n.results <- res })

	// The loop ends by itself, or by a break or panic of the caller. No goroutine
	// is left in any case.
	n.start()
	n.broke = true
	defer func() {
		if n.broke {
			n.stop(nil)
		}
		for range n.results {
		}
		n.conclude()
	}()
	n.broke = !n.consume(yield)
}

// start starts the goroutines, which close r.results when all have ended.
func (r *run) start() {
	var group sync.WaitGroup
	r.listing.Store(true)
	group.Go(r.list)
	for range r.options.Jobs {
		group.Go(r.work)
	}
	go func() {
		group.Wait()
		close(r.results)
	}()
}

// list sends the candidates.
func (r *run) list() {
	defer close(r.candidates)
	defer r.listing.Store(false)
	if r.byName != "" {
		r.listedAll = r.askUnlisted([]string{r.byName})
		return
	}
	missing := r.pattern.Repositories.Names()
	query := quay.RepositoryQuery{Namespace: r.pattern.Namespace, LastModified: true, Prefetch: true, Invalid: true}
	for repo, err := range r.finder.client.Repositories(r.ctx, query) {
		if err != nil {
			r.listErr = err
			return
		}
		r.listed.Add(1)
		if r.checker.named[repo.Name] {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == repo.Name })
		}
		r.known = r.known || repo.CallerKnown
		r.unknown = r.unknown || !repo.CallerKnown && repo.Invalid == nil
		if reason := r.prefilter.skip(repo); reason != "" {
			r.skipped[reason]++
			// A tag older than since is left out by request, also of a named repository.
			if reason != NoMatch && reason != Nested && (r.options.Skipped || reason != TooOld) {
				r.checker.skipped(candidate{repo, false}, reason, r.options.Skipped)
			}
			continue
		}
		if !r.ask(candidate{repo, false}) {
			return
		}
	}
	if r.ctx.Err() == nil && !r.askUnlisted(missing) {
		return
	}
	if r.ctx.Err() == nil && r.outer.Err() == nil { // r.outer ends a moment earlier
		r.listedAll = true
		r.options.Logger.InfoContext(r.ctx, "listed", "namespace", r.pattern.Namespace,
			"repositories", r.listed.Load(), "candidates", r.waiting.Load())
	}
}

// ask sends a candidate to a checker. It returns false if the run ends before.
func (r *run) ask(c candidate) bool {
	r.waiting.Add(1)
	select {
	case r.candidates <- c:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// askUnlisted asks by name for repositories that the pattern names and the listing
// lacks: a repository may be private, or newer than the listing. It asks for none if
// the namespace does not exist.
func (r *run) askUnlisted(names []string) bool {
	if r.byName == "" && r.listed.Load() == 0 && len(names) > 0 {
		if exists, err := r.finder.HasNamespace(r.ctx, r.pattern.Namespace); err == nil && !exists {
			r.noNamespace = true
			return true
		}
	}
	for _, name := range names {
		r.unlisted++
		if !r.ask(unlisted(quay.RepoName{Namespace: r.pattern.Namespace, Name: name})) {
			return false
		}
	}
	return true
}

// work checks candidates until there are no more, or the run ends.
func (r *run) work() {
	for c := range r.candidates {
		if r.ctx.Err() != nil {
			return
		}
		if err := r.checker.check(r.ctx, c); err != nil {
			r.stop(err)
			return
		}
		r.checked.Add(1)
	}
}

// consume counts and yields the results. It returns false if the caller breaks off.
func (r *run) consume(yield func(Result) bool) bool {
	var tick <-chan time.Time
	if r.options.Progress != nil {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-tick:
			r.options.Progress(r.progress())
		case res, more := <-r.results:
			if !more {
				return true
			}
			r.count(res)
			if !yield(res) {
				return false
			}
		}
	}
}

func (r *run) count(res Result) {
	if !res.Skipped {
		r.asked++
	}
	if res.Unlisted {
		r.askedUnlisted++
	}
	if res.Reason == NoRepository {
		r.nonexistent++
	}
	if res.missing() {
		r.sum.Missing++
	}
	if !res.Public && !res.Unlisted && !res.Skipped {
		r.private++
		switch res.Reason {
		case GoneOrPrivate:
			r.denied++
		case ServerError:
			r.failed++
		}
	}
	switch res.Verdict {
	case Present:
		r.sum.Present++
	case Absent:
		r.sum.Absent++
	default:
		r.sum.Unknown++
		r.sum.Unknowns[res.Reason]++
		r.options.Logger.InfoContext(r.ctx, "unknown", "repository", res.Namespace+"/"+res.Repository,
			"tag", res.Tag, "reason", string(res.Reason), "error", res.Err)
	}
}

func (r *run) progress() Progress {
	return Progress{
		Listing:    r.listing.Load(),
		Listed:     int(r.listed.Load()),
		Candidates: int(r.waiting.Load()),
		Checked:    int(r.checked.Load()),
		Present:    r.sum.Present,
		Absent:     r.sum.Absent,
		Unknown:    r.sum.Unknown,
		Elapsed:    time.Since(r.began),
		Pace:       r.finder.client.Pace(),
	}
}

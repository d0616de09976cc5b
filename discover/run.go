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
)

// progressEvery is how often Options.Progress is told.
const progressEvery = 200 * time.Millisecond

// A crew is the goroutines of one run and what they share. One goroutine lists
// and prunes, Jobs goroutines check, and the one that ranges over Results
// counts the verdicts.
type crew struct {
	*Run
	ctx    context.Context // ends with the outer one, or by stop
	stop   context.CancelCauseFunc
	direct string // the one repository to ask for; "" lists
	sieve  sieve
	check  checker

	candidates chan Repository // bounded: a listing that runs ahead waits here
	results    chan Result     // every result sent is received, or the run hangs
	began      time.Time
	before     Usage

	// Written by the goroutine named, read by the others or after the end.
	listing                  atomic.Bool  // lister
	listed, waiting, checked atomic.Int64 // lister, lister, checkers

	pruned    map[Reason]int // lister
	unlisted  int            // lister: repositories that were asked for by name
	nobody    bool           // lister: it has asked, and no organization or user has the name
	listedAll bool           // lister: the listing came to its end
	listErr   error          // lister: or to this one
	known     bool           // lister: a row showed that the server knows the caller
	unknown   bool           // lister: a row showed that it does not

	sum   Summary // consumer
	broke bool    // consumer: the caller stopped the loop

	asked, unseen           int // consumer: results that were asked for, not pruned; of these, of unlisted repositories
	nowhere                 int // consumer: results of repositories that do not exist
	private, denied, failed int // consumer: results of private repositories; of these, refused; server errors
}

// resolve does the whole run.
func (r *Run) resolve(yield func(Result) bool) {
	c := &crew{
		Run:        r,
		candidates: make(chan Repository, r.options.Jobs),
		results:    make(chan Result, r.options.Jobs),
		began:      time.Now(),
		pruned:     map[Reason]int{},
	}
	c.sum = Summary{
		Pattern:     r.pattern.String(),
		Pruned:      c.pruned,
		Unknowns:    map[Reason]int{},
		CallerKnown: NotAsked,
	}
	c.ctx, c.stop = context.WithCancelCause(r.outer)
	defer c.stop(nil)

	host, err := target(r.catalog, r.pattern)
	if err != nil {
		r.end(c.sum, fmt.Errorf("discover: %s: %w", c.sum.Pattern, err))
		return
	}
	c.sum.Host = host
	// Servers tell times in whole seconds. No limit is the zero time.
	since := r.pattern.Since.Time(r.options.Now()).Truncate(time.Second)
	c.direct, c.sum.Direct = r.pattern.Repositories.Literal()
	c.sieve = sieve{r.pattern.Repositories, since}
	c.check = newChecker(r.catalog, r.pattern, host, since, func(res Result) { c.results <- res })
	if m, ok := r.catalog.(Meter); ok {
		c.before = m.Usage()
	}

	// The loop may end by itself, or by a break or a panic of the caller's.
	// In each case nobody is left behind.
	c.start()
	c.broke = true
	defer func() {
		if c.broke {
			c.stop(nil)
		}
		for range c.results {
		}
		c.conclude()
	}()
	c.broke = !c.consume(yield)
}

// start sets the goroutines to work. They have all ended when c.results is
// closed.
func (c *crew) start() {
	var group sync.WaitGroup
	c.listing.Store(true)
	group.Go(c.list)
	for range c.options.Jobs {
		group.Go(c.work)
	}
	go func() {
		group.Wait()
		close(c.results)
	}()
}

// list feeds the candidates.
func (c *crew) list() {
	defer close(c.candidates)
	defer c.listing.Store(false)
	if c.direct != "" {
		c.listedAll = c.askUnlisted([]string{c.direct})
		return
	}
	missing := c.pattern.Repositories.Names()
	for repo, err := range c.catalog.Repositories(c.ctx, c.pattern.Namespace) {
		if err != nil {
			c.listErr = err
			return
		}
		c.listed.Add(1)
		if c.check.named[repo.Name] {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == repo.Name })
		}
		c.known = c.known || repo.CallerKnown
		c.unknown = c.unknown || !repo.CallerKnown && repo.Err == nil
		if reason := c.sieve.prune(repo); reason != "" {
			c.pruned[reason]++
			// A tag older than since is left out by request, also of a named repository.
			if reason != NoMatch && reason != Nested && (c.options.Pruned || reason != TooOld) {
				c.check.pruned(repo, reason, c.options.Pruned)
			}
			continue
		}
		if !c.ask(repo) {
			return
		}
	}
	if c.ctx.Err() == nil && !c.askUnlisted(missing) {
		return
	}
	if c.ctx.Err() == nil && c.outer.Err() == nil { // the outer one ends a moment before
		c.listedAll = true
		c.options.Logger.InfoContext(c.ctx, "listed", "namespace", c.pattern.Namespace,
			"repositories", c.listed.Load(), "candidates", c.waiting.Load())
	}
}

// ask hands a repository to whoever checks next. It returns false when the run
// ends before.
func (c *crew) ask(repo Repository) bool {
	c.waiting.Add(1)
	select {
	case c.candidates <- repo:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// askUnlisted asks by name for the repositories that the pattern names and the
// listing lacks, as if each had been the only one: one may be private, or the
// listing older than the repository. A namespace that does not exist has none.
func (c *crew) askUnlisted(names []string) bool {
	if c.direct == "" && c.listed.Load() == 0 && len(names) > 0 {
		if exists, err := c.catalog.Namespace(c.ctx, c.pattern.Namespace); err == nil && !exists {
			c.nobody = true
			return true
		}
	}
	for _, name := range names {
		c.unlisted++
		if !c.ask(Repository{Namespace: c.pattern.Namespace, Name: name, Unlisted: true}) {
			return false
		}
	}
	return true
}

// work checks candidates until there are no more, or the run has ended.
func (c *crew) work() {
	for repo := range c.candidates {
		if c.ctx.Err() != nil {
			return
		}
		if err := c.check.check(c.ctx, repo); err != nil {
			c.stop(err)
			return
		}
		c.checked.Add(1)
	}
}

// consume hands the results out and counts them. It returns true when all are
// out, and false when the caller had enough.
func (c *crew) consume(yield func(Result) bool) bool {
	var tick <-chan time.Time
	if c.options.Progress != nil {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-tick:
			c.options.Progress(c.progress())
		case res, more := <-c.results:
			if !more {
				return true
			}
			c.count(res)
			if !yield(res) {
				return false
			}
		}
	}
}

func (c *crew) count(res Result) {
	if !res.Pruned {
		c.asked++
	}
	if res.Unlisted {
		c.unseen++
	}
	if res.Reason == NoRepository {
		c.nowhere++
	}
	if res.missing() {
		c.sum.Missing++
	}
	if !res.Public && !res.Unlisted && !res.Pruned {
		c.private++
		switch res.Reason {
		case GoneOrPrivate:
			c.denied++
		case ServerError:
			c.failed++
		}
	}
	switch res.Verdict {
	case Present:
		c.sum.Present++
	case Absent:
		c.sum.Absent++
	default:
		c.sum.Unknown++
		c.sum.Unknowns[res.Reason]++
		c.options.Logger.InfoContext(c.ctx, "unknown", "repository", res.Namespace+"/"+res.Repository,
			"tag", res.Tag, "reason", string(res.Reason), "error", res.Err)
	}
}

func (c *crew) progress() Progress {
	p := Progress{
		Listing:    c.listing.Load(),
		Listed:     int(c.listed.Load()),
		Candidates: int(c.waiting.Load()),
		Checked:    int(c.checked.Load()),
		Present:    c.sum.Present,
		Absent:     c.sum.Absent,
		Unknown:    c.sum.Unknown,
		Elapsed:    time.Since(c.began),
	}
	if pacer, ok := c.catalog.(Pacer); ok {
		p.Pace = pacer.Pace()
	}
	return p
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
)

// pages yields the items of page after page. It yields an error once, with a zero item,
// and ends. fetch returns a new slice for page n, starting with 1, and is called
// for one page at a time. With prefetch, the next page is fetched while the items
// of a page are yielded; a fetch in progress is cancelled when the loop breaks.
func pages[T any](ctx context.Context, prefetch bool, yield func(T, error) bool, fetch func(ctx context.Context, n int) (items []T, more bool, err error)) {
	if prefetch {
		next, stop := prefetched(ctx, fetch)
		defer stop()
		fetch = next
	}
	for n := 1; ; n++ {
		items, more, err := fetch(ctx, n)
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
		if !more {
			return
		}
	}
}

// prefetched returns a function that returns pages which a goroutine fetches one page
// ahead. stop cancels the goroutine and waits for it. The error of a context that
// ends comes from fetch.
func prefetched[T any](ctx context.Context, fetch func(ctx context.Context, n int) ([]T, bool, error)) (next func(context.Context, int) ([]T, bool, error), stop func()) {
	type page struct {
		items []T
		more  bool
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	pages := make(chan page)
	var ended error // of the goroutine, set before pages is closed
	var fetching sync.WaitGroup
	fetching.Go(func() {
		defer close(pages)
		for n, more := 1, true; more; n++ {
			var p page
			if p.items, p.more, ended = fetch(ctx, n); ended != nil {
				return
			}
			select {
			case pages <- p:
			case <-stopped:
				return
			}
			more = p.more
		}
	})
	next = func(context.Context, int) ([]T, bool, error) {
		p, ok := <-pages
		if !ok {
			return nil, false, ended
		}
		return p.items, p.more, nil
	}
	stop = func() {
		close(stopped)
		cancel()
		fetching.Wait()
	}
	return next, stop
}

const (
	// maxPages ends an endless listing, after ten million repositories.
	maxPages = 100_000
	// maxCursor limits a cursor, in bytes. Real cursors have about 200. A request
	// line has at most 4,094 (doc/quay-api.md sections 1 and 5).
	maxCursor = 3 << 10
)

// A loopGuard detects a listing that goes in circles. A Quay answers an invalid cursor
// with page one and a new cursor (doc/quay-api.md section 1), so cursors alone
// are not enough.
//
// It holds the hashes of the previous page, and two hashes for each earlier page.
type loopGuard struct {
	seed     maphash.Seed
	cursors  map[uint64]bool // all so far
	firsts   map[uint64]bool // the first repository of each page so far
	previous map[uint64]bool // the repositories of the page before
}

func newLoopGuard() *loopGuard {
	return &loopGuard{
		seed:    maphash.MakeSeed(),
		cursors: make(map[uint64]bool),
		firsts:  make(map[uint64]bool),
	}
}

// check returns an error if page n cannot be the next page of a listing that ends.
// cursor is "" on the last page.
func (g *loopGuard) check(n int, repos []Repository, cursor string) error {
	if cursor != "" {
		switch {
		case n >= maxPages:
			return fmt.Errorf("there is more after %d pages", maxPages)
		case len(repos) == 0:
			return errors.New("it is empty and has a next_page")
		case len(cursor) > maxCursor:
			return fmt.Errorf("next_page has %d characters", len(cursor))
		}
		key := maphash.String(g.seed, cursor)
		if g.cursors[key] {
			return errors.New("the listing goes in circles: next_page repeats that of an earlier page")
		}
		g.cursors[key] = true
	}
	repos = slices.DeleteFunc(slices.Clone(repos), func(r Repository) bool { return r.Name == "" })
	if len(repos) == 0 && cursor != "" {
		return errors.New("no row has a name, and there is a next_page")
	}
	current := make(map[uint64]bool, len(repos))
	for i, r := range repos {
		key := maphash.String(g.seed, r.String())
		if i == 0 && g.firsts[key] {
			return fmt.Errorf("the listing goes in circles: it begins as an earlier page did, with %q", r)
		}
		if r.Invalid == nil && (g.previous[key] || current[key]) {
			return fmt.Errorf("a repository is in the listing twice: %q", r)
		}
		if i == 0 {
			g.firsts[key] = true
		}
		current[key] = true
	}
	g.previous = current
	return nil
}

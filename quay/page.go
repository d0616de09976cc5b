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

// pages yields the items of one page after another until there are no more. An
// error is yielded once, with a zero item, and ends it. fetch returns a fresh
// slice for page n, the first being 1; it is called for one page at a time. With
// ahead the next page is asked for while the items of one are yielded; what
// is on its way when the loop breaks is called off.
func pages[T any](ctx context.Context, ahead bool, yield func(T, error) bool, fetch func(ctx context.Context, n int) (items []T, more bool, err error)) {
	if ahead {
		next, leave := fetchAhead(ctx, fetch)
		defer leave()
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

// fetchAhead returns a fetch whose pages are asked for one ahead, until leave is
// called, which returns when nothing is on its way any more. The goroutine that
// asks goes from one page to the next without waiting for its turn among those
// that work on the page. When ctx ends it is fetch that says so.
func fetchAhead[T any](ctx context.Context, fetch func(ctx context.Context, n int) ([]T, bool, error)) (next func(context.Context, int) ([]T, bool, error), leave func()) {
	type page struct {
		items []T
		more  bool
	}
	ctx, stop := context.WithCancel(ctx)
	left := make(chan struct{})
	pages := make(chan page)
	var ended error // of the goroutine, once pages is closed
	var asking sync.WaitGroup
	asking.Go(func() {
		defer close(pages)
		for n, more := 1, true; more; n++ {
			var p page
			if p.items, p.more, ended = fetch(ctx, n); ended != nil {
				return
			}
			select {
			case pages <- p:
			case <-left:
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
	leave = func() {
		close(left)
		stop()
		asking.Wait()
	}
	return next, leave
}

const (
	// maxPages ends a listing that does not end by itself: at 100
	// repositories a page, after ten million.
	maxPages = 100_000
	// maxCursor bounds a cursor, in bytes. Real ones have some 200, and have
	// to fit in a request line of 4,094 (doc/quay-api.md sections 1 and 5).
	maxCursor = 3 << 10
)

// A loopGuard ends a listing that goes in circles. A Quay answers a cursor it
// cannot read with page one and a new cursor (doc/quay-api.md section 1), so
// cursors alone do not tell.
//
// It holds hashes: of the page before, and two for each earlier page. A
// listing of a million repositories leaves 20,000.
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

// check returns an error when page n cannot be the next page of a listing that
// ends. cursor is "" on a last page.
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

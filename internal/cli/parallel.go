// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"iter"
	"sync"
)

// merge ranges over several sequences at the same time, each in its own goroutine, and
// yields their values in no order. If the caller breaks off, the context of the sequences
// ends. When merge returns, all its goroutines have ended.
func merge[T any](ctx context.Context, sources ...func(context.Context) iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		ctx, cancel := context.WithCancel(ctx)
		values := make(chan T)
		var group sync.WaitGroup
		for _, source := range sources {
			group.Go(func() {
				for v := range source(ctx) {
					values <- v
				}
			})
		}
		go func() {
			group.Wait()
			close(values)
		}()
		defer func() {
			cancel()
			for range values {
			}
		}()
		for v := range values {
			if !yield(v) {
				return
			}
		}
	}
}

// parallel calls f for every value of in, at most jobs calls at a time, and yields the
// results in no order. It stops when the caller breaks off or ctx ends.
func parallel[T, R any](ctx context.Context, jobs int, in iter.Seq[T], f func(context.Context, T) R) iter.Seq[R] {
	return func(yield func(R) bool) {
		work := make(chan T)
		lister := func(ctx context.Context) iter.Seq[R] {
			return func(func(R) bool) {
				defer close(work)
				for t := range in {
					select {
					case work <- t:
					case <-ctx.Done():
						return
					}
				}
			}
		}
		call := func(ctx context.Context) iter.Seq[R] {
			return func(yield func(R) bool) {
				for t := range work {
					yield(f(ctx, t)) // merge reads every value
				}
			}
		}
		sources := []func(context.Context) iter.Seq[R]{lister}
		for range jobs {
			sources = append(sources, call)
		}
		merge(ctx, sources...)(yield)
	}
}

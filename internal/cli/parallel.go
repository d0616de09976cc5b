// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"iter"
	"sync"
)

// parallel calls f for all that in yields, so many at once, and yields what f
// returns, in no order. When the caller breaks off, or ctx ends, it stops; when
// it returns, so has all it started.
func parallel[T, R any](ctx context.Context, jobs int, in iter.Seq[T], f func(context.Context, T) R) iter.Seq[R] {
	return func(yield func(R) bool) {
		ctx, cancel := context.WithCancel(ctx)
		work, results := make(chan T), make(chan R)
		var group sync.WaitGroup
		group.Go(func() {
			defer close(work)
			for t := range in {
				select {
				case work <- t:
				case <-ctx.Done():
					return
				}
			}
		})
		for range jobs {
			group.Go(func() {
				for t := range work {
					results <- f(ctx, t)
				}
			})
		}
		go func() {
			group.Wait()
			close(results)
		}()
		defer func() {
			cancel()
			for range results {
			}
		}()
		for r := range results {
			if !yield(r) {
				return
			}
		}
	}
}

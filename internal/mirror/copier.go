// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// A Copier copies images to one destination. It is for one run: one Plan or one
// Copy. Progress may be called meanwhile, from any goroutine.
type Copier struct {
	to        Destination
	o         Options
	invalid   error
	sources   *sources
	observing sync.Mutex
	copy      atomic.Pointer[copying]
}

// New makes a Copier. Nothing is sent, and nothing is written. Options that
// contradict themselves are the error of Plan and Copy.
func New(to Destination, o Options) *Copier {
	return &Copier{to: to, o: o.withDefaults(), invalid: o.withDefaults().check(), sources: newSources(o.Registry)}
}

// Copy copies the images of a sequence that may still be growing. Planning,
// fetching and committing overlap: the first blob is asked for as soon as the
// first manifest is in, and an image is committed as soon as its blobs are. A
// name that comes twice counts once.
//
// What one image fails of is in the Report, and the rest goes on. The error is
// of the whole: the context's, a full disk, a staging layout that fails, a
// destination that cannot be finished. The Report tells what was done in any
// case, and images that had no turn are in it as failed.
//
// Copy returns when all its goroutines have ended. It ranges over images in the
// calling goroutine, and cannot break off a sequence that waits: one that does
// should end with the same context.
func (c *Copier) Copy(ctx context.Context, images iter.Seq[Image]) (Report, error) {
	if c.invalid != nil {
		return Report{}, fmt.Errorf("copy: %w", c.invalid)
	}
	r, err := newCopying(ctx, c)
	if err != nil {
		return Report{}, fmt.Errorf("copy: %w", err)
	}
	defer r.stop(nil)
	defer context.AfterFunc(r.ctx, r.home)()
	r.start()
	for i := range images {
		if r.ctx.Err() != nil {
			break
		}
		r.add(i)
	}
	r.fed()
	r.workers.Wait()
	r.halt()

	err = context.Cause(r.ctx)
	if err == nil {
		err = c.to.Finish(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("copy to %s: %w", c.to, err)
	}
	return r.report(err), err
}

// hasPart tells whether the destination has those images of an index that were
// chosen. Has alone cannot tell: it knows the index of the source only.
func (c *Copier) hasPart(ctx context.Context, i Image, t tree) (bool, error) {
	if !t.sparse {
		return c.to.Has(ctx, i, t.root.Digest)
	}
	to, ok := c.to.(interface {
		hasStaged(context.Context, Staged) (bool, error)
	})
	if !ok {
		return false, nil
	}
	return to.hasStaged(ctx, t.staged(i))
}

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

	"github.com/quayside/quayside/internal/destination"
)

// A Copier copies images to one destination. It is for one run: one Plan or one Copy.
// Progress may be called meanwhile, from any goroutine.
type Copier struct {
	to        destination.Destination
	o         Options
	invalid   error
	sources   *sources
	observing sync.Mutex
	copy      atomic.Pointer[copying]
}

// New makes a Copier. It sends and writes nothing. Plan and Copy return an error if the
// options are not valid.
func New(to destination.Destination, o Options) *Copier {
	return &Copier{to: to, o: o.withDefaults(), invalid: o.withDefaults().check(), sources: newSources(o.Registry)}
}

// Copy copies images from a sequence that may still be growing. Examining, fetching and
// committing overlap: the first blob is requested as soon as the manifests of its image
// are known, and an image is committed as soon as its blobs are staged. A repeated
// reference counts once.
//
// The Report has the error of an image that fails; the other images are copied. The
// returned error concerns the whole run: the context, a full disk, a staging layout that
// fails, or a destination that cannot be finished. The Report is valid in any case. Images
// that were unfinished when the run ended are pending. If the destination cannot be
// finished, the images that depend on Finish have failed.
//
// Copy returns when all its goroutines have ended. It ranges over images in the calling
// goroutine, and cannot interrupt a sequence that waits: such a sequence should end with
// the same context.
func (c *Copier) Copy(ctx context.Context, images iter.Seq[Image]) (Report, error) {
	if c.invalid != nil {
		return Report{}, fmt.Errorf("copy: %w", c.invalid)
	}
	r, err := newCopying(ctx, c)
	if err != nil {
		return Report{}, fmt.Errorf("copy: %w", err)
	}
	defer r.stop(nil)
	defer context.AfterFunc(r.ctx, r.shutdown)()
	r.start()
	for i := range images {
		if r.ctx.Err() != nil {
			break
		}
		r.addImage(i)
	}
	r.inputEnded()
	r.workers.Wait()
	r.finishPending()

	var leftOut map[string]error
	if err = context.Cause(r.ctx); err == nil {
		leftOut, err = c.to.Finish(ctx, r.scheduler.complete())
	}
	r.finishDeferred(leftOut, err)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("copy to %s: %w", c.to, err)
	}
	return r.report(err), err
}

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

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
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
	if d, ok := to.(*dockerArchive); ok && len(o.Platforms.Only) == 0 {
		d.system = o.Platforms.DefaultPlatform.OS
	}
	return &Copier{to: to, o: o.withDefaults(), invalid: o.withDefaults().check(), sources: newSources(o.Registry)}
}

// Copy copies the images of a sequence that may still be growing. Planning,
// fetching and committing overlap: the first blob is asked for as soon as the
// manifests of the first image are in, and an image is committed as soon as its blobs are. A
// name that comes twice counts once.
//
// What one image fails of is in the Report, and the rest goes on. The error is
// of the whole: the context's, a disk with no room for anything, a staging layout that fails, a
// destination that cannot be finished. The Report tells what was done in any
// case. Images that were not finished when the whole ended are in it as pending;
// those of a Gatherer that could not be finished have failed.
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

	err = context.Cause(r.ctx)
	if err == nil {
		err = c.to.Finish(ctx)
	}
	r.finishDeferred(err)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("copy to %s: %w", c.to, err)
	}
	return r.report(err), err
}

// has asks the destination for an image. doubtful, which is false then, says that
// it has an index by this digest, and perhaps not all that was chosen of it: an
// earlier run may have left it out. hasPart tells.
func (c *Copier) has(ctx context.Context, i Image, root digest.Digest) (there, doubtful bool, err error) {
	there, err = c.to.Has(ctx, i, root)
	to, doubts := c.to.(interface{ mayLack(Image) bool })
	if there && doubts && c.o.Platforms.Index == SparseIndex && to.mayLack(i) {
		return false, true, err
	}
	if there && err == nil {
		err = c.roomFor(i)
	}
	return there, false, err
}

// roomFor returns why an image that an earlier run has staged cannot be in the
// archive, or nil.
func (c *Copier) roomFor(i Image) error {
	if to, ok := c.to.(interface{ roomFor(Image) error }); ok {
		return to.roomFor(i)
	}
	return nil
}

// hasPart tells whether the destination has those images of an index that were
// chosen. Has alone cannot tell: it knows the index of the source only.
func (c *Copier) hasPart(ctx context.Context, i Image, t tree) (bool, error) {
	to, ok := c.to.(interface {
		hasStaged(context.Context, Staged) (bool, error)
	})
	switch {
	case ok:
		there, err := to.hasStaged(ctx, t.staged(i))
		if there && err == nil {
			err = c.roomFor(i)
		}
		return there, err
	case t.sparse:
		return false, nil
	}
	return c.to.Has(ctx, i, t.root.Digest)
}

// wants asks whether the destination needs a blob. That it cannot tell may be
// one image's trouble, and others need the blob too: whoever takes it will see.
func (c *Copier) needsBlob(ctx context.Context, i Image, d ocispec.Descriptor) (bool, error) {
	wanted, err := c.to.Wants(ctx, i, d)
	if err == nil || isFatal(err) || ctx.Err() != nil || errors.Is(err, layout.ErrCorrupt) {
		return wanted, err
	}
	c.o.Logger.DebugContext(ctx, "cannot tell whether the destination has a blob", "digest", d.Digest, "error", err)
	return true, nil
}

// keepsSignatures tells whether the destination has a place for signatures.
func (c *Copier) keepsSignatures() bool {
	to, ok := c.to.(SignatureKeeper)
	return !ok || to.KeepsSignatures()
}

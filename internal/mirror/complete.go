// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
)

// A parcel is a blob all of whose bytes came, in its partial file. Without one
// it was staged before.
type completedBlob struct {
	blob    *blob
	partial *layout.Partial
}

// settle gives a blob its place in the staging layout, once it has the right
// digest and is on disk, and then gives it to the destination.
func (r *copying) complete(p completedBlob) {
	b := p.blob
	if p.partial != nil && !r.install(b, p.partial) {
		return
	}
	if b.needed {
		if part := r.scheduler.firstWaiter(b); part != nil {
			if err := r.to.PutBlob(r.ctx, part.item.Image, b.Descriptor); err != nil {
				if r.stopIfFatal(err) {
					return
				}
				// It is staged: others who need it can have it yet.
				r.scheduler.failPartNow(part, fmt.Errorf("blob %s: %w", b.Digest, err))
			}
		}
	}
	r.scheduler.finishBlob(b, nil)
}

// place commits a partial file. What has the wrong digest is thrown away, and
// fetched once more; then another repository is asked.
func (r *copying) install(b *blob, p *layout.Partial) bool {
	err := p.Commit()
	if err2 := p.Close(); err == nil {
		err = err2
	}
	<-r.openFiles
	if err == nil {
		r.scheduler.fetched(b)
		r.emit(Event{Kind: BlobDone, Image: b.first.reference, Digest: b.Digest, Bytes: b.Size})
		return true
	}
	if isDiskFull(err) {
		r.discard(b, b.Size)
		r.failForSpace(b, destination.StagingError(err))
		return false
	}
	if r.stopIfFatal(destination.StagingError(err)) || !errors.Is(err, layout.ErrCorrupt) {
		return false
	}
	r.discard(b, b.Size)
	if b.corrupt++; b.corrupt > 1 && !r.scheduler.nextSource(b) {
		r.scheduler.finishBlob(b, fmt.Errorf("blob %s: %w", b.Digest, err))
		return false
	}
	r.countRetry(b, err)
	r.scheduler.requeue(b)
	return false
}

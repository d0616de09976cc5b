// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
)

// A completedBlob is a blob whose partial file has all bytes. If the partial file is nil,
// the blob was staged before.
type completedBlob struct {
	blob    *blob
	partial *layout.Partial
}

// complete checks the digest of a blob, syncs it, installs it in the staging layout, and
// then puts it to the destination.
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
				// It is staged: other images can still use it.
				r.scheduler.failPartNow(part, fmt.Errorf("blob %s: %w", b.Digest, err))
			}
		}
	}
	r.scheduler.finishBlob(b, nil)
}

// install commits a partial file. It discards content with a wrong digest. The blob is
// then fetched again, the second time from another repository.
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

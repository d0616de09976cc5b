// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"

	"github.com/quayside/quayside/internal/layout"
)

// A parcel is a blob all of whose bytes came, in its partial file. Without one
// it was staged before.
type parcel struct {
	blob    *blob
	partial *layout.Partial
}

// settle gives a blob its place in the staging layout, once it has the right
// digest and is on disk, and then gives it to the destination.
func (r *copying) settle(p parcel) {
	b := p.blob
	if p.partial != nil && !r.place(b, p.partial) {
		return
	}
	if b.take {
		if part := r.ledger.heir(b); part != nil {
			if err := r.to.Take(r.ctx, part.item.Image, b.Descriptor); err != nil {
				if r.ends(err) {
					return
				}
				// It is staged: others who need it can have it yet.
				r.ledger.drop(part, fmt.Errorf("blob %s: %w", b.Digest, err))
			}
		}
	}
	r.ledger.finishBlob(b, nil)
}

// place commits a partial file. What has the wrong digest is thrown away, and
// fetched once more; then another repository is asked.
func (r *copying) place(b *blob, p *layout.Partial) bool {
	err := p.Commit()
	if err2 := p.Close(); err == nil {
		err = err2
	}
	<-r.open
	if err == nil {
		r.ledger.fetched(b)
		r.tell(Event{Kind: BlobDone, Image: b.first.reference, Digest: b.Digest, Bytes: b.Size})
		return true
	}
	if full(err) {
		r.wasted(b, b.Size)
		r.outgrown(b, staged(err))
		return false
	}
	if r.ends(staged(err)) || !errors.Is(err, layout.ErrCorrupt) {
		return false
	}
	r.wasted(b, b.Size)
	if b.corrupt++; b.corrupt > 1 && !r.ledger.elsewhere(b) {
		r.ledger.finishBlob(b, fmt.Errorf("blob %s: %w", b.Digest, err))
		return false
	}
	r.retry(b, err)
	r.ledger.requeue(b)
	return false
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/quayside/quayside/internal/destination"
)

// admit accepts a part if the disk has room for it, and queues its blobs. If the part must
// wait for room, its image waits too. A part that can never fit fails. A part that is
// present needs no room.
func (l *scheduler) admit(p *part, there bool) {
	l.mu.Lock()
	defer l.unlock()
	if !p.alive() {
		return
	}
	if there {
		l.accept(p)
	} else if !l.tryAdmit(p) {
		p.item.waits++ // until it is decided
		l.waitingForRoom = append(l.waitingForRoom, p)
	}
}

// pieces returns the blobs and manifests of a part. known is false while the destination
// is asked whether it needs one of the blobs.
func (p *part) pieces() (pieces []destination.Piece, known bool) {
	known = true
	pieces = append(pieces, p.manifests...)
	for _, b := range p.needs {
		piece := destination.Piece{Digest: b.Digest, Size: b.Size}
		switch b.state {
		case stateChecking:
			known = false
		case stateWaiting:
			piece.Remaining = b.remaining
		}
		pieces = append(pieces, piece)
	}
	return pieces, known
}

// tryAdmit accepts a part or fails it. It returns false if that is not decided yet.
func (l *scheduler) tryAdmit(p *part) bool {
	pieces, known := p.pieces()
	if !known {
		return false
	}
	hope, err := l.room.Fits(l.room.Cost(pieces))
	switch {
	case err == nil:
		l.accept(p)
	case hope:
		return false
	default:
		l.failPart(p, err)
	}
	return true
}

// accept queues the blobs of a part.
func (l *scheduler) accept(p *part) {
	p.admitted = true
	p.promised, _ = p.pieces()
	l.room.Promise(p.promised)
	for _, b := range p.needs {
		if b.state == stateWaiting {
			l.enqueue(b)
		}
	}
}

// withdraw releases the room of a part that cannot be copied, and ends the blobs that only
// this part needed.
func (l *scheduler) withdraw(p *part, why error) {
	l.dirty = true
	l.room.Withdraw(p.promised)
	p.promised = nil
	for _, b := range p.needs {
		if b.state == stateWaiting && !slices.ContainsFunc(b.waiting, (*part).alive) {
			l.resolve(b, why)
			b.err = nil // another image may need it later
		}
	}
}

// retryWaiting tries to admit the parts that wait for room, the smallest first, after
// something has ended.
func (l *scheduler) retryWaiting() {
	for l.dirty && len(l.waitingForRoom) > 0 {
		l.dirty = false
		waiting := l.waitingForRoom
		l.waitingForRoom = nil
		costs := map[*part]int64{}
		for _, p := range waiting {
			pieces, _ := p.pieces()
			costs[p] = l.room.Cost(pieces)
		}
		slices.SortStableFunc(waiting, func(a, b *part) int { return cmp.Compare(costs[a], costs[b]) })
		for _, p := range waiting {
			if p.alive() && !l.tryAdmit(p) {
				l.waitingForRoom = append(l.waitingForRoom, p)
				continue
			}
			l.release(p.item)
		}
	}
}

// reserve counts the bytes of a blob that is going to be fetched.
func (l *scheduler) reserve(b *blob) {
	if !b.reserved {
		b.reserved = true
		l.room.Reserve(b.remaining)
	}
}

// unreserve cancels the reservation of a blob: its written bytes are no longer free space.
func (l *scheduler) unreserve(b *blob) {
	if b.reserved {
		b.reserved = false
		l.room.Reserve(-b.remaining)
	}
	l.dirty = true
}

// minFree is the free space, in bytes, below which the disk counts as full.
const minFree = 1 << 20

// isDiskFull reports whether an error says that the disk, or the user's share of it, is
// full.
func isDiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// failForSpace ends a blob that did not fit on the disk although room was reserved,
// because another program writes to the disk. The images that need the blob fail. A disk
// without any room ends the run.
func (r *copying) failForSpace(b *blob, why error) {
	if r.ctx.Err() != nil {
		return
	}
	if free, err := r.staging.Free(); err != nil || free < minFree {
		r.stop(why)
		return
	}
	r.scheduler.finishBlob(b, fmt.Errorf("blob %s: %w: %w", b.Digest, destination.ErrNoRoom, why))
}

// othersUnfinished reports whether an image that does not need the blob is unfinished.
func (l *scheduler) othersUnfinished(b *blob) bool {
	l.mu.Lock()
	defer l.unlock()
	need := map[*item]bool{}
	for _, p := range b.waiting {
		need[p.item] = true
	}
	return slices.ContainsFunc(l.items, func(it *item) bool { return !it.ended && !need[it] })
}

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

// admit lets a part in when the disk has room for it, and has its blobs fetched.
// A part that has to wait for others holds its image back; one that cannot fit
// fails. A part that is at the destination already takes nothing.
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

// pieces are the blobs and manifests of a part. known is false while it is being
// asked whether a blob is needed.
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

// decide lets a part in or fails it. It is false when that is not known yet.
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

// letIn has the blobs of a part fetched.
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

// putOut takes back what was promised to a part that cannot be had, and ends the
// blobs that only this part would have had fetched.
func (l *scheduler) withdraw(p *part, why error) {
	l.dirty = true
	l.room.Withdraw(p.promised)
	p.promised = nil
	for _, b := range p.needs {
		if b.state == stateWaiting && !slices.ContainsFunc(b.waiting, (*part).alive) {
			l.resolve(b, why)
			b.err = nil // it may be wanted yet
		}
	}
}

// reconsider looks again at the parts that wait for room, the smallest first,
// after something has ended.
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

// release ends that: what was written is no longer free, and the rest is.
func (l *scheduler) unreserve(b *blob) {
	if b.reserved {
		b.reserved = false
		l.room.Reserve(-b.remaining)
	}
	l.dirty = true
}

// noUse is so little room that nothing of use fits into it, in bytes.
const minFree = 1 << 20

// full reports whether an error says that the disk is full, or the share of it
// that may be used.
func isDiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// outgrown ends a blob for which the disk turned out to have no room: something
// else has written to the disk, or it keeps less than it says. The images that
// need the blob fail. A disk that has no room for anything ends the whole.
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

// othersGoOn tells whether an image that does not wait for a blob is unfinished.
func (l *scheduler) othersUnfinished(b *blob) bool {
	l.mu.Lock()
	defer l.unlock()
	need := map[*item]bool{}
	for _, p := range b.waiting {
		need[p.item] = true
	}
	return slices.ContainsFunc(l.items, func(it *item) bool { return !it.ended && !need[it] })
}

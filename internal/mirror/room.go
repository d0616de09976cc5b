// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"
)

// ErrNoRoom is met by the error of an image for which the disk has no room.
var ErrNoRoom = errors.New("no room on the disk")

// tarOverhead is what the header and the padding of a file in a tar take, in bytes.
const tarOverhead = 1024

// A room is the one sum of what images take of the disk, for a Plan and for a Copy.
// Images are let in one after another, each whole: what is still to be fetched of
// it has to fit into what those before it have left. An archive takes its bytes
// twice: staged, and in the new tar, which holds the old archive's content too.
// Not safe for concurrent use.
type room struct {
	dir  string
	free func() (bytes int64, known bool)
	tar  bool
	base int64                   // of the new tar: what is there already
	kept map[digest.Digest]int64 // that content

	reserved int64                 // let in, and not written yet
	promised int64                 // let in, for the new tar
	refs     map[digest.Digest]int // of these, how many parts have it
}

// A piece is a blob or a manifest, and how much of it is still to be written.
type piece struct {
	digest     digest.Digest
	size, rest int64
}

// newRoom measures the room of a destination.
func newRoom(ctx context.Context, to Destination) *room {
	r := &room{dir: to.Staging().Dir(), refs: map[digest.Digest]int{}}
	r.free = func() (int64, bool) {
		free, err := to.Staging().Free()
		return free, err == nil
	}
	r.kept, r.tar = to.Held(ctx)
	for _, size := range r.kept {
		r.base += size + tarOverhead
	}
	return r
}

// cost is how many bytes more an image of these pieces takes.
func (r *room) cost(pieces []piece) (bytes int64) {
	for _, p := range pieces {
		bytes += p.rest
		if r.shares(p.digest) && r.refs[p.digest] == 0 {
			bytes += p.size + tarOverhead
		}
	}
	return bytes
}

// shares tells whether a piece is new in the tar.
func (r *room) shares(d digest.Digest) bool {
	_, kept := r.kept[d]
	return r.tar && !kept
}

// amounts writes two sizes for people, and to the byte if they look the same otherwise.
func amounts(x, y int64) (string, string) {
	const unit = "%.1f MB"
	a, b := fmt.Sprintf(unit, float64(x)/1e6), fmt.Sprintf(unit, float64(y)/1e6)
	if a == b {
		return fmt.Sprintf("%d bytes", x), fmt.Sprintf("%d bytes", y)
	}
	return a, b
}

// fits returns an error that meets ErrNoRoom when so many bytes more do not fit.
// Then hope tells whether they may when what was let in has ended.
func (r *room) fits(cost int64) (hope bool, err error) {
	free, known := r.free()
	if !known {
		return false, nil
	}
	left := free - r.base - r.promised
	if cost <= left-r.reserved {
		return false, nil
	}
	needs, has := amounts(cost+r.base, max(left-r.reserved, 0)+r.base)
	err = fmt.Errorf("%w: the image needs %s in %s, and %s are free: free some and run it again", ErrNoRoom, needs, r.dir, has)
	return r.reserved > 0 && cost <= free-r.base, err
}

// promise counts pieces for the tar.
func (r *room) promise(pieces []piece) {
	for _, p := range pieces {
		if !r.shares(p.digest) {
			continue
		}
		if r.refs[p.digest]++; r.refs[p.digest] == 1 {
			r.promised += p.size + tarOverhead
		}
	}
}

// withdraw takes a promise back.
func (r *room) withdraw(pieces []piece) {
	for _, p := range pieces {
		if !r.shares(p.digest) {
			continue
		}
		if r.refs[p.digest]--; r.refs[p.digest] == 0 {
			r.promised -= p.size + tarOverhead
		}
	}
}

// admit lets a part in when the disk has room for it, and has its blobs fetched.
// A part that has to wait for others holds its image back; one that cannot fit
// fails. A part that is at the destination already takes nothing.
func (l *scheduler) admit(p *part, there bool) {
	l.mu.Lock()
	defer l.unlock()
	if !p.alive() {
		return
	}
	if there || l.room == nil {
		l.accept(p)
	} else if !l.tryAdmit(p) {
		p.item.waits++ // until it is decided
		l.waitingForRoom = append(l.waitingForRoom, p)
	}
}

// pieces are the blobs and manifests of a part. known is false while it is being
// asked whether a blob is needed.
func (p *part) pieces() (pieces []piece, known bool) {
	known = true
	pieces = append(pieces, p.manifests...)
	for _, b := range p.needs {
		piece := piece{digest: b.Digest, size: b.Size}
		switch b.state {
		case stateChecking:
			known = false
		case stateWaiting:
			piece.rest = b.remaining
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
	hope, err := l.room.fits(l.room.cost(pieces))
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
	if l.room != nil {
		p.promised, _ = p.pieces()
		l.room.promise(p.promised)
	}
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
	if l.room != nil {
		l.room.withdraw(p.promised)
		p.promised = nil
	}
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
			costs[p] = l.room.cost(pieces)
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
	if !b.reserved && l.room != nil {
		b.reserved = true
		l.room.reserved += b.remaining
	}
}

// release ends that: what was written is no longer free, and the rest is.
func (l *scheduler) unreserve(b *blob) {
	if b.reserved {
		b.reserved = false
		l.room.reserved -= b.remaining
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
	r.scheduler.finishBlob(b, fmt.Errorf("blob %s: %w: %w", b.Digest, ErrNoRoom, why))
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

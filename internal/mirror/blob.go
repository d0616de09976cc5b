// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxSources is how many repositories a blob may be fetched from.
const maxSources = 16

// A blob is a blob of the run, and the parts that need it.
type blob struct {
	ocispec.Descriptor
	state     blobState
	needed    bool  // the destination needs it
	counted   bool  // included in the bytes to fetch
	recheck   bool  // check again whether it is staged
	remaining int64 // bytes still to be written
	reserved  bool  // remaining is reserved on the disk
	waiting   []*part
	conflicts []sizeConflict
	sources   []*source
	first     *item

	// Written by the goroutine that fetches it.
	sourceIndex    int   // index of the source in use
	corrupt        int   // how often its content was wrong and discarded
	fromEarlierRun int64 // upper bound of the bytes that an earlier run fetched
	err            error
}

type blobState uint8

const (
	stateChecking blobState = iota // until the destination reports whether it needs the blob
	stateWaiting                   // until the disk has room for a part that needs the blob
	stateQueued
	stateActive // being fetched or stored
	stateDone   // staged and stored, or not needed
	stateLost   // no source has it, or no image needs it any more
)

// A sizeConflict is a part whose manifest lists a blob with another size. The fetched
// blob shows which of the two sizes is wrong.
type sizeConflict struct {
	part *part
	desc ocispec.Descriptor
	from *source
}

// addBlob records that a part needs a blob, and a repository that has it. For the first
// part it returns the blob, and the caller checks whether the blob must be fetched.
func (l *scheduler) addBlob(p *part, d ocispec.Descriptor, from *source) (ask *blob) {
	l.mu.Lock()
	defer l.unlock()
	p.item.standalone += d.Size
	b := l.blobs[d.Digest]
	if b == nil {
		b = &blob{Descriptor: d, first: p.item, sources: []*source{from}, waiting: []*part{p}, fromEarlierRun: maxBlob, remaining: d.Size}
		l.blobs[d.Digest] = b
		p.needs = append(p.needs, b)
		l.bytes += d.Size
		p.item.waits++
		return b
	}
	l.addWaiter(b, p, d, from)
	return nil
}

// addWaiter makes a part wait for a blob that was added before.
func (l *scheduler) addWaiter(b *blob, p *part, d ocispec.Descriptor, from *source) {
	if d.Size != b.Size {
		switch b.state {
		case stateDone:
			l.failPart(p, fmt.Errorf("blob %s has %d bytes, not %d as the manifest says", d.Digest, b.Size, d.Size))
			return
		case stateLost: // perhaps the size was wrong
			l.bytes += d.Size - b.Size
			b.Descriptor, b.sources, b.sourceIndex, b.corrupt, b.remaining = d, nil, 0, 0, d.Size
			b.recheck = true // it may be staged, with this size
		default:
			p.item.waits++
			b.conflicts = append(b.conflicts, sizeConflict{p, d, from})
			return
		}
	}
	other := !slices.Contains(b.sources, from) && len(b.sources) < maxSources
	if other {
		b.sources = append(b.sources, from)
	}
	switch {
	case b.state == stateDone:
		return
	case b.state == stateLost && b.err != nil && !other:
		l.failPart(p, b.err)
		return
	case b.state == stateLost:
		if b.err != nil {
			b.sourceIndex, b.corrupt, b.err = len(b.sources)-1, 0, nil
		}
		b.state = stateWaiting
	}
	if b.state == stateWaiting && p.admitted {
		l.enqueue(b)
	}
	b.waiting = append(b.waiting, p)
	p.needs = append(p.needs, b)
	p.item.waits++
}

// enqueue queues a blob to be fetched.
func (l *scheduler) enqueue(b *blob) {
	b.state = stateQueued
	l.reserve(b)
	if !b.counted {
		b.counted = true
		l.wanted += b.Size
	}
	l.fetches.push(b.sources[b.sourceIndex].host, b)
}

// checked records whether the destination needs a blob, and whether the blob is staged.
func (l *scheduler) checked(b *blob, need blobNeed) {
	l.mu.Lock()
	defer l.unlock()
	b.needed, b.remaining, l.dirty = need.needed, need.remaining, true
	switch {
	case !need.needed:
		l.resolve(b, nil)
	case need.staged:
		b.state = stateActive
		l.completed.push(completedBlob{blob: b})
	default:
		b.state = stateWaiting
		if slices.ContainsFunc(b.waiting, func(p *part) bool { return p.admitted }) {
			l.enqueue(b)
		}
	}
}

// startBlob starts the fetch of a blob. It returns false if no image needs the blob any
// more.
func (l *scheduler) startBlob(b *blob) bool {
	l.mu.Lock()
	defer l.unlock()
	if slices.ContainsFunc(b.waiting, (*part).alive) {
		b.state = stateActive
		return true
	}
	l.resolve(b, fmt.Errorf("not fetched: no image needs it"))
	b.err = nil // another image may need it later
	return false
}

// source returns the repository to fetch a blob from.
func (l *scheduler) source(b *blob) *source {
	l.mu.Lock()
	defer l.unlock()
	return b.sources[b.sourceIndex]
}

// nextSource switches to the next repository that has a blob. It returns false if all
// were tried.
func (l *scheduler) nextSource(b *blob) bool {
	l.mu.Lock()
	defer l.unlock()
	if b.sourceIndex+1 >= len(b.sources) {
		return false
	}
	b.sourceIndex++
	return true
}

// requeue queues a blob again after its content was wrong.
func (l *scheduler) requeue(b *blob) {
	l.mu.Lock()
	defer l.unlock()
	l.enqueue(b)
}

// firstWaiter returns the first part that waits for a blob and can still be copied, or
// nil. The destination stores the blob for its image.
func (l *scheduler) firstWaiter(b *blob) *part {
	l.mu.Lock()
	defer l.unlock()
	if i := slices.IndexFunc(b.waiting, (*part).alive); i >= 0 {
		return b.waiting[i]
	}
	return nil
}

// fetched counts the fetched bytes of a blob for the image that needed it first.
func (l *scheduler) fetched(b *blob) {
	l.mu.Lock()
	defer l.unlock()
	b.first.fetched += b.Size - b.fromEarlierRun
}

// finishBlob ends a blob, with the error if it cannot be fetched.
func (l *scheduler) finishBlob(b *blob, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.resolve(b, err)
}

// resolve is finishBlob for callers with the lock.
func (l *scheduler) resolve(b *blob, err error) {
	b.state, b.err = stateDone, err
	l.unreserve(b)
	if err != nil {
		b.state = stateLost
		if b.counted {
			b.counted = false
			l.wanted -= b.Size
		}
	}
	waiting, conflicts := b.waiting, b.conflicts
	b.waiting, b.conflicts = nil, nil
	for _, p := range waiting {
		if err != nil {
			l.failPart(p, err)
		}
		l.release(p.item)
	}
	for _, r := range conflicts {
		l.addWaiter(b, r.part, r.desc, r.from)
		l.release(r.part.item)
	}
}

// fetchAfterAll makes an image that was ready wait again, for blobs that its destination
// turned out to need. It returns false if the run does not know one of the blobs.
func (l *scheduler) fetchAfterAll(it *item, missing []ocispec.Descriptor) bool {
	l.mu.Lock()
	defer l.unlock()
	var all []*blob
	for _, d := range missing {
		b := l.blobs[d.Digest]
		if b == nil || b.state == stateChecking || len(b.sources) == 0 {
			return false
		}
		all = append(all, b)
	}
	it.waits++ // until all are added
	for _, b := range all {
		if b.state == stateDone {
			b.needed, b.recheck, b.counted, b.remaining = true, true, false, b.Size
			l.enqueue(b)
		}
		for _, p := range it.needing(b.Digest) {
			l.addWaiter(b, p, b.Descriptor, b.sources[0])
		}
	}
	l.release(it)
	return true
}

// needing returns the parts of an image that have a blob. If none has it, it returns the
// image itself, which fails without the blob.
func (it *item) needing(d digest.Digest) []*part {
	var parts []*part
	for _, p := range it.parts {
		if p.err == nil && slices.ContainsFunc(p.tree.blobs, func(b ocispec.Descriptor) bool { return b.Digest == d }) {
			parts = append(parts, p)
		}
	}
	if parts == nil {
		return it.parts[:1]
	}
	return parts
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxSources is how many repositories are remembered for a blob that many have.
const maxSources = 16

// A ledger is who waits for what: which blobs there are, once each, and which
// images each of them holds back. It is the one place where goroutines of a run
// meet. Nothing in it waits for anything but its lock.
type ledger struct {
	heavy, light *queue[*blob] // to be fetched
	settling     *queue[parcel]
	ready        *queue[*item] // to be committed

	mu        sync.Mutex
	items     []*item
	names     map[string]bool
	blobs     map[digest.Digest]*blob
	manifests map[digest.Digest]bool
	fed       bool  // no image is to come
	unlooked  int   // images that were not looked at to the end
	open      int   // images whose turn is not over
	bytes     int64 // unique, of blobs and manifests
	each      int64 // the same, were images copied one by one
	done      int   // images copied or present
	failed    int
	ended     []*item // that nobody was told of

	home func()      // called when every image had its turn
	tell func(*item) // told of each image that has ended, without the lock
}

// unlock ends a turn with the lock, and tells what has ended meanwhile.
func (l *ledger) unlock() {
	ended := l.ended
	l.ended = nil
	l.mu.Unlock()
	for _, it := range ended {
		l.tell(it)
	}
}

func newLedger() *ledger {
	return &ledger{
		heavy:     newQueue(func(a, b *blob) bool { return a.Size > b.Size }),
		light:     newQueue[*blob](nil),
		settling:  newQueue[parcel](nil),
		ready:     newQueue[*item](nil),
		names:     map[string]bool{},
		blobs:     map[digest.Digest]*blob{},
		manifests: map[digest.Digest]bool{},
	}
}

// An item is an image and how far it is.
type item struct {
	Image
	reference string
	name      string // at the destination
	from      *source

	// Written by the one goroutine that has the item in its turn: it looks at
	// it, and later another commits it.
	root      digest.Digest // at the source
	present   bool          // at the destination, before
	rewritten bool
	platforms []string
	size      int64
	rounds    int // of commits that found something missing
	left      int // attached, and left behind
	lacking   int // lists of what is attached that could not be read
	notes     []string

	// Under the ledger's lock.
	parts   []*part // the image, and what is attached to it
	open    int     // blobs it waits for, and one for whoever has it in turn
	over    bool
	status  Status
	err     error
	fetched int64
}

// A part is an image or something attached to it: what has to be in before it
// counts.
type part struct {
	item *item
	tag  string // of an attachment
	tree tree
	err  error // why it cannot be had
}

// A blob is wanted by one part or more.
type blob struct {
	ocispec.Descriptor
	state   blobState
	take    bool // the destination wants it
	waiting []*part
	rivals  []rival
	sources []*source
	first   *item

	// Written by the goroutine that fetches it.
	at      int // index of the source
	corrupt int // contents thrown away
	err     error
}

type blobState uint8

const (
	asking blobState = iota // whether the destination wants it
	queued
	underway // fetched, or taken by the destination
	in       // staged and taken, or not wanted
	lost     // no source has it; or nobody waited for it any more
)

// A rival says that a blob has another size. One of the two is wrong, and
// which one shows when the first is in.
type rival struct {
	part *part
	desc ocispec.Descriptor
	from *source
}

// add enters an image; nil when its name was there before.
func (l *ledger) add(i Image, name string) *item {
	l.mu.Lock()
	defer l.unlock()
	it := &item{Image: i, reference: i.Reference(), name: name, open: 1}
	if l.names[it.reference] {
		return nil
	}
	l.names[it.reference] = true
	it.parts = []*part{{item: it}}
	l.items = append(l.items, it)
	l.open++
	l.unlooked++
	return it
}

// attach enters something attached to an image.
func (l *ledger) attach(it *item, tag string) *part {
	l.mu.Lock()
	defer l.unlock()
	p := &part{item: it, tag: tag}
	it.parts = append(it.parts, p)
	return p
}

// count enters a manifest of a part. fetched tells whether it came over the wire.
func (l *ledger) count(p *part, d ocispec.Descriptor, fetched bool) {
	l.mu.Lock()
	defer l.unlock()
	l.each += d.Size
	if !l.manifests[d.Digest] {
		l.manifests[d.Digest] = true
		l.bytes += d.Size
	}
	if fetched {
		p.item.fetched += d.Size
	}
}

// need says that a part needs a blob, which a repository has. When nobody did
// before, the caller gets the blob and asks whether it has to be fetched.
func (l *ledger) need(p *part, d ocispec.Descriptor, from *source) (ask *blob) {
	l.mu.Lock()
	defer l.unlock()
	l.each += d.Size
	b := l.blobs[d.Digest]
	if b == nil {
		b = &blob{Descriptor: d, first: p.item, sources: []*source{from}, waiting: []*part{p}}
		l.blobs[d.Digest] = b
		l.bytes += d.Size
		p.item.open++
		return b
	}
	l.want(b, p, d, from)
	return nil
}

// want makes a part wait for a blob that is known.
func (l *ledger) want(b *blob, p *part, d ocispec.Descriptor, from *source) {
	if d.Size != b.Size {
		switch b.state {
		case in:
			l.spoil(p, fmt.Errorf("blob %s has %d bytes, and not %d as the manifest says", d.Digest, b.Size, d.Size))
			return
		case lost: // what it was said to be before was perhaps wrong
			l.bytes += d.Size - b.Size
			b.Descriptor, b.sources, b.at, b.corrupt = d, nil, 0, 0
		default:
			p.item.open++
			b.rivals = append(b.rivals, rival{p, d, from})
			return
		}
	}
	other := !slices.Contains(b.sources, from) && len(b.sources) < maxSources
	if other {
		b.sources = append(b.sources, from)
	}
	switch {
	case b.state == in:
		return
	case b.state == lost && b.err != nil && !other:
		l.spoil(p, b.err)
		return
	case b.state == lost:
		if b.err != nil {
			b.at, b.corrupt, b.err = len(b.sources)-1, 0, nil
		}
		l.enqueue(b)
	}
	b.waiting = append(b.waiting, p)
	p.item.open++
}

// enqueue puts a blob in the line that its size belongs to.
func (l *ledger) enqueue(b *blob) {
	b.state = queued
	if b.Size <= lightBuffer {
		l.light.push(b)
	} else {
		l.heavy.push(b)
	}
}

// asked enters what came of asking: whether the destination wants the blob, and
// whether it is staged.
func (l *ledger) asked(b *blob, wanted, staged bool) {
	l.mu.Lock()
	defer l.unlock()
	b.take = wanted
	switch {
	case !wanted:
		l.resolve(b, nil)
	case staged:
		b.state = underway
		l.settling.push(parcel{blob: b})
	default:
		l.enqueue(b)
	}
}

// start begins a blob's fetch. It is false when no image waits for it any more.
func (l *ledger) start(b *blob) bool {
	l.mu.Lock()
	defer l.unlock()
	if slices.ContainsFunc(b.waiting, (*part).alive) {
		b.state = underway
		return true
	}
	l.resolve(b, fmt.Errorf("not fetched: nothing needed it"))
	b.err = nil // it may be wanted yet
	return false
}

// alive tells whether a part can still come to a good end.
func (p *part) alive() bool { return p.err == nil && !p.item.over }

// source returns the repository to ask for a blob.
func (l *ledger) source(b *blob) *source {
	l.mu.Lock()
	defer l.unlock()
	return b.sources[b.at]
}

// elsewhere turns to the next repository that has a blob. It is false when
// there is none.
func (l *ledger) elsewhere(b *blob) bool {
	l.mu.Lock()
	defer l.unlock()
	if b.at+1 >= len(b.sources) {
		return false
	}
	b.at++
	return true
}

// requeue puts a blob back whose content was wrong.
func (l *ledger) requeue(b *blob) {
	l.mu.Lock()
	defer l.unlock()
	l.enqueue(b)
}

// heir returns the first image that waits for a blob and can still come to a
// good end: the destination takes the blob for it. nil when there is none.
func (l *ledger) heir(b *blob) *part {
	l.mu.Lock()
	defer l.unlock()
	if i := slices.IndexFunc(b.waiting, (*part).alive); i >= 0 {
		return b.waiting[i]
	}
	return nil
}

// fetched counts a blob that came over the wire for the image that needed it
// first.
func (l *ledger) fetched(b *blob) {
	l.mu.Lock()
	defer l.unlock()
	b.first.fetched += b.Size
}

// finishBlob ends a blob: it is in, or with an error it cannot be had.
func (l *ledger) finishBlob(b *blob, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.resolve(b, err)
}

// resolve tells everyone who waits for a blob.
func (l *ledger) resolve(b *blob, err error) {
	b.state, b.err = in, err
	if err != nil {
		b.state = lost
	}
	waiting, rivals := b.waiting, b.rivals
	b.waiting, b.rivals = nil, nil
	for _, p := range waiting {
		if err != nil {
			l.spoil(p, err)
		}
		l.lower(p.item)
	}
	for _, r := range rivals {
		l.want(b, r.part, r.desc, r.from)
		l.lower(r.part.item)
	}
}

// drop marks a part that cannot be had.
func (l *ledger) drop(p *part, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.spoil(p, err)
}

// spoil marks a part that cannot be had. When it is the image itself, that is
// the image's end.
func (l *ledger) spoil(p *part, err error) {
	if p.err == nil {
		p.err = err
	}
	if p == p.item.parts[0] {
		l.end(p.item, Failed, err)
	}
}

// lower takes off one of the things an item waits for.
func (l *ledger) lower(it *item) {
	it.open--
	if it.open == 0 && !it.over {
		l.ready.push(it)
	}
}

// fetchAfterAll makes an image that was ready wait for blobs again, which its
// destination turned out to need. It is false when they are not blobs of it.
func (l *ledger) fetchAfterAll(it *item, missing []ocispec.Descriptor) bool {
	l.mu.Lock()
	defer l.unlock()
	var all []*blob
	for _, d := range missing {
		b := l.blobs[d.Digest]
		if b == nil || b.state == asking || len(b.sources) == 0 {
			return false
		}
		all = append(all, b)
	}
	it.open++ // until all are entered
	for _, b := range all {
		if b.state == in {
			b.take = true
			l.enqueue(b)
			b.waiting = append(b.waiting, it.parts[0])
			it.open++
			continue
		}
		l.want(b, it.parts[0], b.Descriptor, b.sources[0])
	}
	l.lower(it)
	return true
}

// finish ends an image.
func (l *ledger) finish(it *item, s Status, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.end(it, s, err)
}

// end ends an image, once.
func (l *ledger) end(it *item, s Status, err error) {
	if it.over {
		return
	}
	it.over, it.status, it.err = true, s, err
	if s == Failed {
		l.failed++
	} else {
		l.done++
	}
	l.open--
	l.ended = append(l.ended, it)
	l.closeWhenDone()
}

// closeWhenDone sends everyone home when every image had its turn.
func (l *ledger) closeWhenDone() {
	if l.fed && l.open == 0 && l.unlooked == 0 {
		l.home()
	}
}

// endFeed says that no image is to come. It tells whether all were looked at.
func (l *ledger) endFeed() bool {
	l.mu.Lock()
	defer l.unlock()
	l.fed = true
	l.closeWhenDone()
	return l.unlooked == 0
}

// looked ends the look at an image. It tells whether that was the last one.
func (l *ledger) looked(it *item) bool {
	l.mu.Lock()
	defer l.unlock()
	l.unlooked--
	l.lower(it)
	l.closeWhenDone()
	return l.fed && l.unlooked == 0
}

// planned returns how many images there are.
func (l *ledger) planned() int {
	l.mu.Lock()
	defer l.unlock()
	return len(l.items)
}

// unfinished returns the images that had no turn.
func (l *ledger) unfinished() []*item {
	l.mu.Lock()
	defer l.unlock()
	var left []*item
	for _, it := range l.items {
		if !it.over {
			left = append(left, it)
		}
	}
	return left
}

// close ends the queues.
func (l *ledger) close() {
	l.heavy.close()
	l.light.close()
	l.settling.close()
	l.ready.close()
}

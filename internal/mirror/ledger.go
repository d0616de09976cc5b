// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A ledger is who waits for what: which blobs there are, once each, and which
// images each of them holds back. It is the one place where goroutines of a run
// meet. Nothing in it waits for anything but its lock.
type ledger struct {
	lines    lines // blobs to be fetched
	settling *queue[parcel]
	ready    *queue[*item] // to be committed

	mu        sync.Mutex
	items     []*item
	names     map[string]bool // references
	claims    claims
	blobs     map[digest.Digest]*blob
	manifests map[digest.Digest]bool
	fed       bool  // no image is to come
	unlooked  int   // images that were not looked at to the end
	open      int   // images whose turn is not over
	bytes     int64 // unique, of blobs and manifests
	wanted    int64 // of blobs that have to be fetched, fetched ones too
	done      int   // images copied or present
	failed    int
	pending   int
	ended     []Event // ends of images that nobody was told of
	awaiting  []*item // images that are there if the destination can be finished

	room     *room   // nil: nobody looks
	deferred []*part // that wait for room
	dirty    bool    // something has ended since they were looked at

	home func()      // called when every image had its turn
	tell func(Event) // told of the end of each image, without the lock
}

// unlock ends a turn with the lock, and tells what has ended meanwhile.
func (l *ledger) unlock() {
	l.reconsider()
	ended := l.ended
	l.ended = nil
	l.mu.Unlock()
	for _, e := range ended {
		l.tell(e)
	}
}

func newLedger() *ledger {
	return &ledger{
		lines:     lines{hosts: map[*pulse][2]*queue[*blob]{}},
		settling:  newQueue[parcel](nil),
		ready:     newQueue[*item](nil),
		names:     map[string]bool{},
		claims:    claims{},
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
	clash     error         // another image has its name at the destination
	present   bool          // at the destination, before
	doubtful  bool          // the destination has its index, and perhaps not all that was chosen of it
	rewritten bool
	awaits    bool    // the destination's Finish
	record    *record // what the destination has recorded of what is attached, when it has the image
	asked     bool    // what is attached was looked for, to the end
	platforms []string
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
	size    int64
	whole   int64 // bytes of blobs and manifests, were it copied alone
	fetched int64
}

// A part is an image or something attached to it: what has to be in before it
// counts.
type part struct {
	item *item
	tag  string // of an attachment
	tree tree
	err  error // why it cannot be had

	// Under the ledger's lock.
	needs     []*blob
	manifests []piece
	admitted  bool    // there is room for it
	promised  []piece // in the tar
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
	l.claims.add(it.name, it.reference)
	it.clash = l.claims.clash(it.name)
	return it
}

// clashing takes its name from each of several that have the same one.
func (l *ledger) clashing() {
	l.mu.Lock()
	defer l.unlock()
	for _, it := range l.items {
		it.clash = l.claims.clash(it.name)
	}
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
	p.item.whole += d.Size
	p.manifests = append(p.manifests, piece{digest: d.Digest, size: d.Size})
	if !l.manifests[d.Digest] {
		l.manifests[d.Digest] = true
		l.bytes += d.Size
	}
	if fetched {
		p.item.fetched += d.Size
	}
}

// measure enters the size of an image. It is false when the image has ended.
func (l *ledger) measure(it *item, size int64) (going bool) {
	l.mu.Lock()
	defer l.unlock()
	it.size = size
	return !it.over
}

// alive tells whether a part can still come to a good end.
func (p *part) alive() bool { return p.err == nil && !p.item.over }

// going tells whether an image has not ended.
func (l *ledger) going(it *item) bool {
	l.mu.Lock()
	defer l.unlock()
	return !it.over
}

// drop marks a part that cannot be had.
func (l *ledger) drop(p *part, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.spoil(p, err)
}

// dropAttached marks all that is attached to an image: it cannot be had.
func (l *ledger) dropAttached(it *item, err error) {
	l.mu.Lock()
	defer l.unlock()
	for _, p := range it.parts[1:] {
		l.spoil(p, err)
	}
}

// spoil marks a part that cannot be had. When it is the image itself, that is
// the image's end.
func (l *ledger) spoil(p *part, err error) {
	if p.err == nil {
		p.err = err
		l.putOut(p, err)
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
	switch s {
	case Failed:
		l.failed++
		for _, p := range it.parts {
			l.putOut(p, err)
		}
	case Pending:
		l.pending++
	case Absent: // there is nothing to do
	default:
		l.done++
	}
	l.open--
	if !s.undone() && it.awaits {
		l.awaiting = append(l.awaiting, it)
	} else {
		l.ended = append(l.ended, it.ending())
	}
	l.closeWhenDone()
}

// finished ends the images that waited for the destination's Finish, which gave
// err. With an error the images failed, or are pending when the run ended before
// their destination's turn. Those that Finish left out failed. It returns the
// names that were left out and are of no image of this run.
func (l *ledger) finished(err error, ended bool, leftOut map[string]error) (others []string) {
	l.mu.Lock()
	defer l.unlock()
	waited, named := map[*item]bool{}, map[string]bool{}
	for _, it := range l.awaiting {
		waited[it] = true
		switch {
		case err != nil && ended:
			it.status, it.err = Pending, fmt.Errorf("not finished: %w", err)
			l.done--
			l.pending++
		case err != nil:
			l.fail(it, fmt.Errorf("not finished: %w", err))
		case leftOut[it.name] != nil:
			l.fail(it, leftOut[it.name])
		}
		l.ended = append(l.ended, it.ending())
	}
	l.awaiting = nil
	for _, it := range l.items {
		named[it.name] = true
		if leftOut[it.name] != nil && !waited[it] && it.status != Failed { // it was there, and is damaged
			l.fail(it, leftOut[it.name])
			l.ended = append(l.ended, it.ending())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(leftOut)) {
		if !named[name] {
			others = append(others, name)
		}
	}
	return others
}

// fail turns an image that was done into one that failed.
func (l *ledger) fail(it *item, why error) {
	it.status, it.err = Failed, why
	l.done--
	l.failed++
}

// ending tells of the end of an image.
func (it *item) ending() Event {
	e := Event{Image: it.reference, Digest: it.root, Bytes: it.size}
	switch it.status {
	case Copied:
		e.Kind = ImageCopied
	case Present:
		e.Kind = ImagePresent
	case Pending:
		e.Kind, e.Error = ImagePending, it.err.Error()
	case Absent:
		e.Kind, e.Error = ImageAbsent, it.err.Error()
	default:
		e.Kind, e.Error = ImageFailed, it.err.Error()
	}
	return e
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

// planned returns how many images there are, and the blobs that are still on
// their way to one that can come to a good end.
func (l *ledger) planned() (images int, coming []ocispec.Descriptor) {
	l.mu.Lock()
	defer l.unlock()
	for _, b := range l.blobs {
		if (b.state == queued || b.state == underway) && slices.ContainsFunc(b.waiting, (*part).alive) {
			coming = append(coming, b.Descriptor)
		}
	}
	return len(l.items), coming
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
	l.lines.close()
	l.settling.close()
	l.ready.close()
}

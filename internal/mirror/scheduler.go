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

	"github.com/quayside/quayside/internal/destination"
)

// A ledger is who waits for what: which blobs there are, once each, and which
// images each of them holds back. It is the one place where goroutines of a run
// meet. Nothing in it waits for anything but its lock.
type scheduler struct {
	fetches   hostQueues // blobs to be fetched
	completed *queue[completedBlob]
	ready     *queue[*item] // to be committed

	mu               sync.Mutex
	items            []*item
	names            map[string]bool // references
	claims           claims
	blobs            map[digest.Digest]*blob
	manifests        map[digest.Digest]bool
	inputEnded       bool  // no image is to come
	unexamined       int   // images that were not looked at to the end
	unfinishedImages int   // images whose turn is not over
	bytes            int64 // unique, of blobs and manifests
	wanted           int64 // of blobs that have to be fetched, fetched ones too
	done             int   // images copied or present
	failed           int
	pending          int
	unreported       []Event // ends of images that nobody was told of
	deferred         []*item // images that are there if the destination can be finished

	room           *destination.Room // nil: nobody looks
	waitingForRoom []*part           // that wait for room
	dirty          bool              // something has ended since they were looked at

	shutdown func()      // called when every image had its turn
	report   func(Event) // told of the end of each image, without the lock
}

// unlock ends a turn with the lock, and tells what has ended meanwhile.
func (l *scheduler) unlock() {
	l.retryWaiting()
	ended := l.unreported
	l.unreported = nil
	l.mu.Unlock()
	for _, e := range ended {
		l.report(e)
	}
}

func newScheduler() *scheduler {
	return &scheduler{
		fetches:   hostQueues{hosts: map[*pulse][2]*queue[*blob]{}},
		completed: newQueue[completedBlob](nil),
		ready:     newQueue[*item](nil),
		names:     map[string]bool{},
		claims:    claims{},
		blobs:     map[digest.Digest]*blob{},
		manifests: map[digest.Digest]bool{},
	}
}

// An item is an image and how far it is.
type item struct {
	examination
	reference string
	name      string // at the destination

	// Written by the one goroutine that has the item in its turn: it looks at
	// it, and later another commits it.
	nameConflict error // another image has its name at the destination
	deferred     bool  // the destination's Finish
	searched     bool  // what is attached was looked for, to the end
	platforms    []string
	rounds       int // of commits that found something missing
	leftBehind   int // attached, and left behind
	unreadLists  int // lists of what is attached that could not be read
	notes        []string

	// Under the ledger's lock.
	parts      []*part // the image, and what is attached to it
	waits      int     // blobs it waits for, and one for whoever has it in turn
	ended      bool
	status     Status
	err        error
	size       int64
	standalone int64 // bytes of blobs and manifests, were it copied alone
	fetched    int64
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
	manifests []destination.Piece
	admitted  bool                // there is room for it
	promised  []destination.Piece // in the tar
}

// add enters an image; nil when its name was there before.
func (l *scheduler) add(i Image, name string) *item {
	l.mu.Lock()
	defer l.unlock()
	it := &item{examination: examination{Image: i}, reference: i.Reference(), name: name, waits: 1}
	if l.names[it.reference] {
		return nil
	}
	l.names[it.reference] = true
	it.parts = []*part{{item: it}}
	l.items = append(l.items, it)
	l.unfinishedImages++
	l.unexamined++
	l.claims.add(it.name, it.reference)
	it.nameConflict = l.claims.conflict(it.name)
	return it
}

// clashing takes its name from each of several that have the same one.
func (l *scheduler) markNameConflicts() {
	l.mu.Lock()
	defer l.unlock()
	for _, it := range l.items {
		it.nameConflict = l.claims.conflict(it.name)
	}
}

// attach enters something attached to an image.
func (l *scheduler) attach(it *item, tag string) *part {
	l.mu.Lock()
	defer l.unlock()
	p := &part{item: it, tag: tag}
	it.parts = append(it.parts, p)
	return p
}

// count enters a manifest of a part. fetched tells whether it came over the wire.
func (l *scheduler) count(p *part, d ocispec.Descriptor, fetched bool) {
	l.mu.Lock()
	defer l.unlock()
	p.item.standalone += d.Size
	p.manifests = append(p.manifests, destination.Piece{Digest: d.Digest, Size: d.Size})
	if !l.manifests[d.Digest] {
		l.manifests[d.Digest] = true
		l.bytes += d.Size
	}
	if fetched {
		p.item.fetched += d.Size
	}
}

// measure enters the size of an image. It is false when the image has ended.
func (l *scheduler) measure(it *item, size int64) (going bool) {
	l.mu.Lock()
	defer l.unlock()
	it.size = size
	return !it.ended
}

// alive tells whether a part can still come to a good end.
func (p *part) alive() bool { return p.err == nil && !p.item.ended }

// going tells whether an image has not ended.
func (l *scheduler) going(it *item) bool {
	l.mu.Lock()
	defer l.unlock()
	return !it.ended
}

// drop marks a part that cannot be had.
func (l *scheduler) failPartNow(p *part, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.failPart(p, err)
}

// dropAttached marks all that is attached to an image: it cannot be had.
func (l *scheduler) failReferrers(it *item, err error) {
	l.mu.Lock()
	defer l.unlock()
	for _, p := range it.parts[1:] {
		l.failPart(p, err)
	}
}

// spoil marks a part that cannot be had. When it is the image itself, that is
// the image's end.
func (l *scheduler) failPart(p *part, err error) {
	if p.err == nil {
		p.err = err
		l.withdraw(p, err)
	}
	if p == p.item.parts[0] {
		l.end(p.item, Failed, err)
	}
}

// lower takes off one of the things an item waits for.
func (l *scheduler) release(it *item) {
	it.waits--
	if it.waits == 0 && !it.ended {
		l.ready.push(it)
	}
}

// finish ends an image.
func (l *scheduler) finish(it *item, s Status, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.end(it, s, err)
}

// end ends an image, once.
func (l *scheduler) end(it *item, s Status, err error) {
	if it.ended {
		return
	}
	it.ended, it.status, it.err = true, s, err
	switch s {
	case Failed:
		l.failed++
		for _, p := range it.parts {
			l.withdraw(p, err)
		}
	case Pending:
		l.pending++
	case Absent: // there is nothing to do
	default:
		l.done++
	}
	l.unfinishedImages--
	if !s.isMissing() && it.deferred {
		l.deferred = append(l.deferred, it)
	} else {
		l.unreported = append(l.unreported, it.endEvent())
	}
	l.closeWhenDone()
}

// finished ends the images that waited for the destination's Finish, which gave
// err. With an error the images failed, or are pending when the run ended before
// their destination's turn. Those that Finish left out failed. It returns the
// names that were left out and are of no image of this run.
func (l *scheduler) finishDeferred(err error, ended bool, leftOut map[string]error) (others []string) {
	l.mu.Lock()
	defer l.unlock()
	waited, named := map[*item]bool{}, map[string]bool{}
	for _, it := range l.deferred {
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
		l.unreported = append(l.unreported, it.endEvent())
	}
	l.deferred = nil
	for _, it := range l.items {
		named[it.name] = true
		if leftOut[it.name] != nil && !waited[it] && it.status != Failed { // it was there, and is damaged
			l.fail(it, leftOut[it.name])
			l.unreported = append(l.unreported, it.endEvent())
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
func (l *scheduler) fail(it *item, why error) {
	it.status, it.err = Failed, why
	l.done--
	l.failed++
}

// ending tells of the end of an image.
func (it *item) endEvent() Event {
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
func (l *scheduler) closeWhenDone() {
	if l.inputEnded && l.unfinishedImages == 0 && l.unexamined == 0 {
		l.shutdown()
	}
}

// endFeed says that no image is to come. It tells whether all were looked at.
func (l *scheduler) endInput() bool {
	l.mu.Lock()
	defer l.unlock()
	l.inputEnded = true
	l.closeWhenDone()
	return l.unexamined == 0
}

// looked ends the look at an image. It tells whether that was the last one.
func (l *scheduler) examined(it *item) bool {
	l.mu.Lock()
	defer l.unlock()
	l.unexamined--
	l.release(it)
	l.closeWhenDone()
	return l.inputEnded && l.unexamined == 0
}

// planned returns how many images there are, and the blobs that are still on
// their way to one that can come to a good end.
func (l *scheduler) planned() (images int, coming []ocispec.Descriptor) {
	l.mu.Lock()
	defer l.unlock()
	for _, b := range l.blobs {
		if (b.state == stateQueued || b.state == stateActive) && slices.ContainsFunc(b.waiting, (*part).alive) {
			coming = append(coming, b.Descriptor)
		}
	}
	return len(l.items), coming
}

// complete reports whether no image failed.
func (l *scheduler) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed == 0 && l.pending == 0
}

// unfinished returns the images that had no turn.
func (l *scheduler) unfinished() []*item {
	l.mu.Lock()
	defer l.unlock()
	var left []*item
	for _, it := range l.items {
		if !it.ended {
			left = append(left, it)
		}
	}
	return left
}

// close ends the queues.
func (l *scheduler) close() {
	l.fetches.close()
	l.completed.close()
	l.ready.close()
}

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

// A scheduler records which blobs a run needs, once each, and which images wait for each
// blob. The goroutines of a run share state only here. Its methods wait only for its lock.
type scheduler struct {
	fetches   hostQueues // blobs to fetch
	completed *queue[completedBlob]
	ready     *queue[*item] // to be committed

	mu               sync.Mutex
	items            []*item
	names            map[string]bool // references
	claims           claims
	blobs            map[digest.Digest]*blob
	manifests        map[digest.Digest]bool
	inputEnded       bool  // all images were added
	unexamined       int   // images whose examination has not ended
	unfinishedImages int   // images without a final status
	bytes            int64 // unique, of blobs and manifests
	wanted           int64 // of blobs that have to be fetched, fetched ones too
	done             int   // images copied or present
	failed           int
	pending          int
	unreported       []Event // ends of images that were not reported yet
	deferred         []*item // images that exist once the destination is finished

	room           *destination.Room
	waitingForRoom []*part
	dirty          bool // something has ended since waitingForRoom was tried

	shutdown func()      // called when every image has a final status
	report   func(Event) // called for the end of each image, without the lock
}

// unlock releases the lock and reports the images that have ended.
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
		fetches:   hostQueues{hosts: map[string][2]*queue[*blob]{}},
		completed: newQueue[completedBlob](nil),
		ready:     newQueue[*item](nil),
		names:     map[string]bool{},
		claims:    claims{},
		blobs:     map[digest.Digest]*blob{},
		manifests: map[digest.Digest]bool{},
	}
}

// An item is an image and its progress.
type item struct {
	examination
	reference string
	name      string // at the destination

	// Written by one goroutine at a time: the one that examines the image, and later the
	// one that commits it.
	nameConflict error // another image has the same name at the destination
	deferred     bool  // exists only after the destination's Finish
	searched     bool  // all referrers were looked for
	platforms    []string
	rounds       int // of commits that found something missing
	leftBehind   int // referrers that are not copied, because the index was rewritten
	unreadLists  int // lists of referrers that could not be read
	notes        []string

	// Guarded by the scheduler's lock.
	parts      []*part // the image, and then its referrers
	waits      int     // blobs that it waits for, and 1 while it is examined
	ended      bool
	status     Status
	err        error
	size       int64
	standalone int64 // bytes of blobs and manifests if it were copied alone
	fetched    int64
}

// A part is an image or one of its referrers. It is copied completely or not at all.
type part struct {
	item *item
	tag  string // of a referrer that cosign keeps in a tag
	tree tree
	err  error // why it cannot be copied

	// Guarded by the scheduler's lock.
	needs     []*blob
	manifests []destination.Piece
	admitted  bool                // the disk has room for it
	promised  []destination.Piece // room promised in the tar
}

// add adds an image. It returns nil if the image was added before.
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

// markNameConflicts marks all images that have the same name at the destination as
// another.
func (l *scheduler) markNameConflicts() {
	l.mu.Lock()
	defer l.unlock()
	for _, it := range l.items {
		it.nameConflict = l.claims.conflict(it.name)
	}
}

// addReferrer adds a referrer of an image.
func (l *scheduler) addReferrer(it *item, tag string) *part {
	l.mu.Lock()
	defer l.unlock()
	p := &part{item: it, tag: tag}
	it.parts = append(it.parts, p)
	return p
}

// count counts a manifest of a part. fetched: it was not in the staging layout.
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

// measure records the size of an image. It reports whether the image is unfinished.
func (l *scheduler) measure(it *item, size int64) (going bool) {
	l.mu.Lock()
	defer l.unlock()
	it.size = size
	return !it.ended
}

// alive reports whether a part can still be copied.
func (p *part) alive() bool { return p.err == nil && !p.item.ended }

// going reports whether an image is unfinished.
func (l *scheduler) going(it *item) bool {
	l.mu.Lock()
	defer l.unlock()
	return !it.ended
}

// failPartNow is failPart for callers without the lock.
func (l *scheduler) failPartNow(p *part, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.failPart(p, err)
}

// failReferrers fails all referrers of an image.
func (l *scheduler) failReferrers(it *item, err error) {
	l.mu.Lock()
	defer l.unlock()
	for _, p := range it.parts[1:] {
		l.failPart(p, err)
	}
}

// failPart fails a part. If the part is the image itself, the image fails.
func (l *scheduler) failPart(p *part, err error) {
	if p.err == nil {
		p.err = err
		l.withdraw(p, err)
	}
	if p == p.item.parts[0] {
		l.end(p.item, Failed, err)
	}
}

// release decrements the number of events that an image waits for. At zero, the image is
// ready to be committed.
func (l *scheduler) release(it *item) {
	it.waits--
	if it.waits == 0 && !it.ended {
		l.ready.push(it)
	}
}

// finish gives an image its final status.
func (l *scheduler) finish(it *item, s Status, err error) {
	l.mu.Lock()
	defer l.unlock()
	l.end(it, s, err)
}

// end is finish for callers with the lock. Only the first call counts.
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
	case Absent:
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

// finishDeferred ends the images that waited for the destination's Finish, which returned
// err and leftOut. After an error the images failed, or are pending if the run ended
// before Finish. Images that were left out failed. It returns the names that were left
// out and belong to no image of this run.
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
		if leftOut[it.name] != nil && !waited[it] && it.status != Failed { // it was present, and is damaged
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

// fail changes the status of a finished image to Failed.
func (l *scheduler) fail(it *item, why error) {
	it.status, it.err = Failed, why
	l.done--
	l.failed++
}

// endEvent returns the event for the end of an image.
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

// closeWhenDone ends all goroutines of the run when every image has a final status.
func (l *scheduler) closeWhenDone() {
	if l.inputEnded && l.unfinishedImages == 0 && l.unexamined == 0 {
		l.shutdown()
	}
}

// endInput records that all images were added. It reports whether all were examined.
func (l *scheduler) endInput() bool {
	l.mu.Lock()
	defer l.unlock()
	l.inputEnded = true
	l.closeWhenDone()
	return l.unexamined == 0
}

// examined ends the examination of an image. It reports whether it was the last one.
func (l *scheduler) examined(it *item) bool {
	l.mu.Lock()
	defer l.unlock()
	l.unexamined--
	l.release(it)
	l.closeWhenDone()
	return l.inputEnded && l.unexamined == 0
}

// planned returns the number of images, and the blobs that still have to be fetched for
// an image that can succeed.
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

// unfinished returns the images without a final status.
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

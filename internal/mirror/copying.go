// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

// A copying is one run of Copy: its goroutines and what they share.
//
//	add -> look -> fetch -> settle -> commit
//	        \-> attached -^
//
// Jobs goroutines look at images and at what is attached to them; twice
// Transfers fetch at once, half of them small blobs alone, and some more wait for
// an answer that takes its time; Transfers settle, which is
// where a disk is waited for; and a few commit. The ledger knows who is next.
type copying struct {
	*Copier
	ctx     context.Context
	stop    context.CancelCauseFunc // with what ends the whole
	link    context.Context         // of fetches: ends when nobody waits for a blob any more
	hangUp  context.CancelFunc
	workers sync.WaitGroup
	began   time.Time

	staging *layout.Layout
	shelf   shelf
	looks   *queue[look]
	ledger  *ledger
	open    chan struct{} // an entry for each partial file that is open
	running running

	wire    atomic.Int64 // bytes of blobs that came
	vain    atomic.Int64 // of these, for nothing
	retries atomic.Int64
	here    atomic.Int64 // bytes of blobs that had to be fetched, and are here
}

// commits is how many images are committed at once. A layout shares one write
// between those that wait.
const commits = 8

// A look is something to be found out: about an image, or about what is
// attached to it.
type look struct {
	item     *item
	attached bool
}

func newCopying(outer context.Context, c *Copier) (*copying, error) {
	r := &copying{
		Copier:  c,
		began:   time.Now(),
		staging: c.to.Staging(),
		// Manifests go before signatures: they are what keeps the link busy.
		looks:  newQueue(func(a, b look) bool { return !a.attached && b.attached }),
		ledger: newLedger(),
		open:   make(chan struct{}, (2*lent+4)*c.o.Transfers),
	}
	r.shelf = newShelf(r.staging, false)
	if !c.copy.CompareAndSwap(nil, r) {
		return nil, errors.New("this Copier has had its run")
	}
	r.ledger.home, r.ledger.tell = r.home, r.tell
	r.ctx, r.stop = context.WithCancelCause(outer)
	r.link, r.hangUp = context.WithCancel(r.ctx)
	r.ledger.room = newRoom(r.ctx, c.to)
	return r, nil
}

// start sets the goroutines to work. They all end when every image had its
// turn, or soon after the context has ended.
func (r *copying) start() {
	crew := func(n int, work func()) {
		for range n {
			r.workers.Go(work)
		}
	}
	crew(r.o.Jobs, func() { drain(r.looks, r.look) })
	heavy, light := make(chan struct{}, r.o.Transfers), make(chan struct{}, r.o.Transfers)
	r.ledger.lines.staff = func(large, small *queue[*blob]) {
		crew(lent*r.o.Transfers, func() { r.fetching(large, heavy, heavyBuffer) })
		crew(lent*r.o.Transfers, func() { r.fetching(small, light, lightBuffer) })
	}
	crew(r.o.Transfers, func() { drain(r.ledger.settling, r.settle) })
	crew(commits, func() { drain(r.ledger.ready, r.commit) })
}

// drain works on what a queue gives until it is closed.
func drain[T any](q *queue[T], work func(T)) {
	for v, ok := q.pop(); ok; v, ok = q.pop() {
		work(v)
	}
}

// home sends everyone home. A blob of an image that failed may still be on its way.
func (r *copying) home() {
	r.hangUp()
	r.looks.close()
	r.ledger.close()
}

// add enters an image.
func (r *copying) add(i Image) {
	if it := r.ledger.add(i, r.to.Name(i)); it != nil {
		r.sources.expect(i)
		if !r.o.AllFirst {
			r.looks.push(look{item: it})
		}
	}
}

// fed says that no image is to come.
func (r *copying) fed() {
	if r.o.AllFirst {
		r.ledger.clashing()
		for _, it := range r.ledger.items {
			r.looks.push(look{item: it})
		}
	}
	if r.ledger.endFeed() {
		r.planned()
	}
}

// fail ends an image, and the whole when the error is of that. After the end of
// the context, images are pending: see halt.
func (r *copying) fail(it *item, err error) {
	if whole := r.ctx.Err() == nil && ends(err); r.ends(err) && !whole {
		return
	}
	r.ledger.finish(it, Failed, err)
}

// ends tells whether an error is of the whole, and ends that. After the end of
// the context everything is: halt names the images that had no turn.
func (r *copying) ends(err error) bool {
	if ends(err) {
		r.stop(err)
	}
	return r.ctx.Err() != nil
}

// halt ends what was not finished when the whole was ended: these images are
// pending. What is there of a blob stays for another run.
func (r *copying) halt() {
	for _, p := range r.ledger.settling.rest() {
		if p.partial != nil {
			_ = p.partial.Close() // nothing was promised
		}
	}
	for _, it := range r.ledger.unfinished() {
		r.ledger.finish(it, Pending, fmt.Errorf("not finished: %w", context.Cause(r.ctx)))
	}
}

// planned is called once, when all images were looked at, and logs what is known
// then. The room is asked for first: what is written meanwhile takes none of it
// twice.
func (r *copying) planned() {
	free, err := r.staging.Free()
	if err != nil {
		return // not known
	}
	images, coming := r.ledger.planned()
	var missing int64
	for _, d := range coming {
		missing += r.rest(d)
	}
	r.o.Logger.InfoContext(r.ctx, "planned", "images", images, "missing_bytes", missing, "free_bytes", free)
}

// rest is how many bytes of a blob are still to be written: not what its partial
// file has, whether that was opened yet or not, and nothing when it is staged.
func (r *copying) rest(d ocispec.Descriptor) int64 {
	begun := r.staging.Begun(d)
	if begun == 0 { // or it has got its name by now
		if there, err := r.staging.Has(r.ctx, d); there || err != nil {
			return 0
		}
	}
	return d.Size - begun
}

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

	"github.com/quayside/quayside/internal/destination"
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
	ctx         context.Context
	stop        context.CancelCauseFunc // with what ends the whole
	fetchCtx    context.Context         // of fetches: ends when nobody waits for a blob any more
	stopFetches context.CancelFunc
	workers     sync.WaitGroup
	began       time.Time

	staging   *layout.Layout
	cache     manifestCache
	tasks     *queue[task]
	scheduler *scheduler
	openFiles chan struct{} // an entry for each partial file that is open
	running   runningTransfers

	fetchedBytes atomic.Int64 // bytes of blobs that came
	wastedBytes  atomic.Int64 // of these, for nothing
	retries      atomic.Int64
	localBytes   atomic.Int64 // bytes of blobs that had to be fetched, and are here
}

// commits is how many images are committed at once. A layout shares one write
// between those that wait.
const commits = 8

func newCopying(outer context.Context, c *Copier) (*copying, error) {
	r := &copying{
		Copier:  c,
		began:   time.Now(),
		staging: c.to.Staging(),
		// Manifests go before signatures: they are what keeps the link busy.
		tasks:     newQueue(func(a, b task) bool { return !a.referrers && b.referrers }),
		scheduler: newScheduler(),
		openFiles: make(chan struct{}, (2*workersPerPermit+4)*c.o.Transfers),
	}
	r.cache = newManifestCache(r.staging, false)
	if !c.copy.CompareAndSwap(nil, r) {
		return nil, errors.New("this Copier has had its run")
	}
	r.scheduler.shutdown, r.scheduler.report = r.shutdown, r.emit
	r.ctx, r.stop = context.WithCancelCause(outer)
	r.fetchCtx, r.stopFetches = context.WithCancel(r.ctx)
	r.scheduler.room = destination.NewRoom(r.ctx, c.to)
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
	crew(r.o.Jobs, func() { drain(r.tasks, r.runTask) })
	heavy, light := make(chan struct{}, r.o.Transfers), make(chan struct{}, r.o.Transfers)
	r.scheduler.fetches.startWorkers = func(large, small *queue[*blob]) {
		crew(workersPerPermit*r.o.Transfers, func() { r.fetchQueue(large, heavy, heavyBuffer) })
		crew(workersPerPermit*r.o.Transfers, func() { r.fetchQueue(small, light, lightBuffer) })
	}
	crew(r.o.Transfers, func() { drain(r.scheduler.completed, r.complete) })
	crew(commits, func() { drain(r.scheduler.ready, r.commit) })
}

// drain works on what a queue gives until it is closed.
func drain[T any](q *queue[T], work func(T)) {
	for v, ok := q.pop(); ok; v, ok = q.pop() {
		work(v)
	}
}

// home sends everyone home. A blob of an image that failed may still be on its way.
func (r *copying) shutdown() {
	r.stopFetches()
	r.tasks.close()
	r.scheduler.close()
}

// add enters an image.
func (r *copying) addImage(i Image) {
	if it := r.scheduler.add(i, r.to.Name(i)); it != nil {
		r.sources.willPull(i)
		if !r.o.CheckNamesFirst {
			r.tasks.push(task{item: it})
		}
	}
}

// fed says that no image is to come.
func (r *copying) inputEnded() {
	if r.o.CheckNamesFirst {
		r.scheduler.markNameConflicts()
		for _, it := range r.scheduler.items {
			r.tasks.push(task{item: it})
		}
	}
	if r.scheduler.endInput() {
		r.planned()
	}
}

// fail ends an image, and the whole when the error is of that. After the end of
// the context, images are pending: see halt.
func (r *copying) fail(it *item, err error) {
	if whole := r.ctx.Err() == nil && destination.IsFatal(err); r.stopIfFatal(err) && !whole {
		return
	}
	r.scheduler.finish(it, Failed, err)
}

// ends tells whether an error is of the whole, and ends that. After the end of
// the context everything is: halt names the images that had no turn.
func (r *copying) stopIfFatal(err error) bool {
	if destination.IsFatal(err) {
		r.stop(err)
	}
	return r.ctx.Err() != nil
}

// halt ends what was not finished when the whole was ended: these images are
// pending. What is there of a blob stays for another run.
func (r *copying) finishPending() {
	for _, p := range r.scheduler.completed.rest() {
		if p.partial != nil {
			_ = p.partial.Close() // nothing was promised
		}
	}
	for _, it := range r.scheduler.unfinished() {
		r.scheduler.finish(it, Pending, fmt.Errorf("not finished: %w", context.Cause(r.ctx)))
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
	images, coming := r.scheduler.planned()
	var missing int64
	for _, d := range coming {
		missing += r.missingBytes(d)
	}
	r.o.Logger.InfoContext(r.ctx, "planned", "images", images, "missing_bytes", missing, "free_bytes", free)
}

// rest is how many bytes of a blob are still to be written: not what its partial
// file has, whether that was opened yet or not, and nothing when it is staged.
func (r *copying) missingBytes(d ocispec.Descriptor) int64 {
	begun := r.staging.Begun(d)
	if begun == 0 { // or it has got its name by now
		if there, err := r.staging.Has(r.ctx, d); there || err != nil {
			return 0
		}
	}
	return d.Size - begun
}

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

// A copying is one run of Copy: its goroutines and their shared state.
//
//	add -> examine -> fetch -> complete -> commit
//	           \-> find referrers -^
//
// Options.Jobs goroutines examine images and find their referrers. For each host,
// Transfers large and Transfers small blobs are fetched at once. There are more goroutines
// than permits, because a goroutine that waits long for an answer yields its permit. Transfers goroutines
// complete blobs, which waits for the disk, and a few commit images. The scheduler
// decides what is next.
type copying struct {
	*Copier
	ctx         context.Context
	stop        context.CancelCauseFunc // with the error that ends the run
	fetchCtx    context.Context         // ends when no image needs a blob any more
	stopFetches context.CancelFunc
	workers     sync.WaitGroup
	began       time.Time

	staging   *layout.Layout
	cache     manifestCache
	tasks     *queue[task]
	scheduler *scheduler
	openFiles chan struct{} // a token for each open partial file
	running   runningTransfers

	fetchedBytes atomic.Int64 // of blobs
	wastedBytes  atomic.Int64 // fetched and discarded
	retries      atomic.Int64
	localBytes   atomic.Int64 // bytes of the blobs to fetch that are staged already
}

// commits is how many images are committed at once. A layout writes its index once for
// all waiting images.
const commits = 8

func newCopying(outer context.Context, c *Copier) (*copying, error) {
	r := &copying{
		Copier:  c,
		began:   time.Now(),
		staging: c.to.Staging(),
		// Images go before referrers: their layers keep the link busy.
		tasks:     newQueue(func(a, b task) bool { return !a.referrers && b.referrers }),
		scheduler: newScheduler(),
		openFiles: make(chan struct{}, (2*workersPerPermit+4)*c.o.Transfers),
	}
	r.cache = newManifestCache(r.staging, false)
	if !c.copy.CompareAndSwap(nil, r) {
		return nil, errors.New("a Copier runs once only")
	}
	r.scheduler.shutdown, r.scheduler.report = r.shutdown, r.emit
	r.ctx, r.stop = context.WithCancelCause(outer)
	r.fetchCtx, r.stopFetches = context.WithCancel(r.ctx)
	r.scheduler.room = destination.NewRoom(r.ctx, c.to)
	return r, nil
}

// start starts the goroutines. They end when every image has a final status, or soon
// after the context has ended.
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

// drain calls work for each value of a queue until the queue is closed.
func drain[T any](q *queue[T], work func(T)) {
	for v, ok := q.pop(); ok; v, ok = q.pop() {
		work(v)
	}
}

// shutdown ends the goroutines. A blob of an image that failed may still be on its way.
func (r *copying) shutdown() {
	r.stopFetches()
	r.tasks.close()
	r.scheduler.close()
}

// addImage adds an image.
func (r *copying) addImage(i Image) {
	if it := r.scheduler.add(i, r.to.Name(i)); it != nil {
		r.sources.willPull(i)
		if !r.o.CheckNamesFirst {
			r.tasks.push(task{item: it})
		}
	}
}

// inputEnded is called after the last image was added.
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

// fail ends an image, and the whole run if the error is fatal. After the context has
// ended, the image stays unfinished: see finishPending.
func (r *copying) fail(it *item, err error) {
	if whole := r.ctx.Err() == nil && destination.IsFatal(err); r.stopIfFatal(err) && !whole {
		return
	}
	r.scheduler.finish(it, Failed, err)
}

// stopIfFatal ends the run if an error is fatal. It reports whether the run has ended.
func (r *copying) stopIfFatal(err error) bool {
	if destination.IsFatal(err) {
		r.stop(err)
	}
	return r.ctx.Err() != nil
}

// finishPending ends the images that were unfinished when the run ended: they are
// pending. Partial files stay for the next run.
func (r *copying) finishPending() {
	for _, p := range r.scheduler.completed.rest() {
		if p.partial != nil {
			_ = p.partial.Close() // nothing was lost
		}
	}
	for _, it := range r.scheduler.unfinished() {
		r.scheduler.finish(it, Pending, fmt.Errorf("not finished: %w", context.Cause(r.ctx)))
	}
}

// planned is called once, after all images were examined, and logs the missing bytes. It
// measures free space first, so that bytes written meanwhile are not counted twice.
func (r *copying) planned() {
	free, err := r.staging.Free()
	if err != nil {
		return // unknown
	}
	images, coming := r.scheduler.planned()
	var missing int64
	for _, d := range coming {
		missing += r.missingBytes(d)
	}
	r.o.Logger.InfoContext(r.ctx, "planned", "images", images, "missing_bytes", missing, "free_bytes", free)
}

// missingBytes returns how many bytes of a blob still have to be written.
func (r *copying) missingBytes(d ocispec.Descriptor) int64 {
	begun := r.staging.PartialSize(d)
	if begun == 0 { // or it is complete by now
		if there, err := r.staging.Has(r.ctx, d); there || err != nil {
			return 0
		}
	}
	return d.Size - begun
}

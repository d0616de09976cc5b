// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/registry"
)

const (
	heavyBuffer = 128 << 10 // of each worker
	lightBuffer = 32 << 10  // a blob that fits into it is small

	// minProgress is how many bytes an attempt must receive for the next attempt to follow
	// without a pause.
	minProgress = 64 << 10
	// leastBytes is how many bytes a stalled attempt must have received to count as
	// progress.
	leastBytes = 16 << 10
)

// errStalled is the cause if an attempt received no byte for too long.
var errStalled = errors.New("no byte")

// noAnswer is the error of an attempt that ended before the content began. It counts
// twice, because the transport has tried several times by then.
type noAnswer struct{ error }

func (e noAnswer) Unwrap() error { return e.error }

// fetchQueue is a worker: it fetches the blobs of a queue one after another, each with a
// permit.
func (r *copying) fetchQueue(q *queue[*blob], permits chan struct{}, buffer int) {
	buf := make([]byte, buffer)
	drain(q, func(b *blob) {
		held := permit{of: permits}
		if held.acquire(r.fetchCtx) && r.scheduler.startBlob(b) {
			r.fetch(b, &held, buf)
		}
		held.release()
	})
}

// fetch writes a blob into its partial file. Completing the blob is left to another
// goroutine, so that no connection waits for a disk.
func (r *copying) fetch(b *blob, held *permit, buf []byte) {
	if b.recheck {
		if have, err := r.staging.Has(r.ctx, b.Descriptor); err != nil && r.stopIfFatal(destination.StagingError(err)) {
			return
		} else if have {
			r.localBytes.Add(b.Size)
			r.scheduler.completed.push(completedBlob{blob: b})
			return
		}
	}
	select {
	case r.openFiles <- struct{}{}:
	case <-r.fetchCtx.Done():
		return
	}
	p, err := r.staging.Partial(r.ctx, b.Descriptor)
	if err != nil {
		<-r.openFiles
		r.stopIfFatal(destination.StagingError(err))
		return
	}
	b.fromEarlierRun = min(b.fromEarlierRun, p.Size())
	r.localBytes.Add(p.Size())
	if err = r.fill(b, p, held, buf); err == nil {
		if r.scheduler.completed.push(completedBlob{b, p}) {
			return
		}
		err = context.Cause(r.fetchCtx) // the run is over
	}
	r.localBytes.Add(-p.Size())
	noSpace := destination.IsFatal(err) && isDiskFull(err)
	if noSpace && r.scheduler.othersUnfinished(b) { // discarding makes room for them
		r.discard(b, p.Size())
		r.localBytes.Add(p.Size())
		err = errors.Join(err, destination.StagingError(p.Reset()))
	}
	if err := p.Close(); err != nil {
		r.stop(destination.StagingError(err))
	}
	<-r.openFiles
	if noSpace {
		r.failForSpace(b, err)
		return
	}
	if !r.stopIfFatal(err) {
		r.scheduler.finishBlob(b, err)
	}
}

// fill requests a blob until its partial file is complete. Each attempt continues at the
// end of the previous attempt, as long as attempts make progress. Then fill tries other
// repositories.
func (r *copying) fill(b *blob, p *layout.Partial, held *permit, buf []byte) error {
	from := r.scheduler.source(b)
	t := r.running.begin(b, from.name, p.Size())
	defer r.running.end(t)
	if p.Size() > 0 {
		r.emit(Event{Kind: BlobResumed, Image: b.first.reference, Digest: b.Digest, Bytes: p.Size()})
	} else {
		r.emit(Event{Kind: BlobStarted, Image: b.first.reference, Digest: b.Digest, Bytes: b.Size})
	}
	for noProgress := 0; p.Size() < b.Size; {
		before := p.Size()
		err := r.attempt(b, p, from, t, held, buf)
		if r.fetchCtx.Err() != nil {
			return context.Cause(r.fetchCtx)
		}
		if destination.IsFatal(err) {
			return err
		}
		what := remedyFor(err)
		if err == nil || p.Size() == b.Size && what == resume {
			break // the last error does not matter: the digest decides
		}
		switch noProgress++; {
		case isStalled(err) && p.Size()-before < leastBytes:
		case p.Size() > before:
			noProgress = 0
		case errors.As(err, new(noAnswer)):
			noProgress++
		}
		if what == restart {
			if err := r.reset(b, p); err != nil {
				return err
			}
			if b.corrupt++; b.corrupt > 1 {
				what = otherSource
			}
		}
		if what == otherSource || noProgress >= maxNoProgress && !isShared(err) {
			if !r.scheduler.nextSource(b) {
				return fmt.Errorf("blob %s: %w", b.Digest, err)
			}
			from, noProgress = r.scheduler.source(b), 0
			t.move(from.name)
		}
		r.countRetry(b, err)
		if p.Size()-before >= minProgress {
			continue // the connection breaks often, and still makes progress
		}
		if err := pause(r.fetchCtx, noProgress); err != nil {
			return err
		}
	}
	return nil
}

// countRetry counts and reports an attempt that failed.
func (r *copying) countRetry(b *blob, err error) {
	r.retries.Add(1)
	r.o.Logger.DebugContext(r.ctx, "blob is requested again", "digest", b.Digest, "error", err)
	r.emit(Event{Kind: BlobRetried, Image: b.first.reference, Digest: b.Digest, Bytes: b.Size, Error: err.Error()})
}

// reset discards the received bytes of a blob.
func (r *copying) reset(b *blob, p *layout.Partial) error {
	r.discard(b, p.Size())
	return destination.StagingError(p.Reset())
}

// discard counts the discarded bytes of a blob, without the bytes of an earlier run.
func (r *copying) discard(b *blob, size int64) {
	r.wastedBytes.Add(size - b.fromEarlierRun)
	r.localBytes.Add(-size)
	b.fromEarlierRun = 0
}

// attempt requests a blob once, from the end of its partial file, and appends the content.
// It fails if nothing arrives for Options.Stall.
func (r *copying) attempt(b *blob, p *layout.Partial, from *source, t *transfer, held *permit, buf []byte) (err error) {
	ctx, cancel := context.WithCancelCause(r.fetchCtx)
	defer cancel(nil)
	offset := p.Size()
	back := held.yield(r.fetchCtx)
	body, start, err := from.Blob(ctx, b.Descriptor, offset)
	if err != nil {
		back()
		return noAnswer{err}
	}
	defer body.Close()
	back()
	if start < 0 || start > offset {
		return fmt.Errorf("%w: the content begins at byte %d, not at %d", registry.ErrMalformed, start, offset)
	}
	guard := time.AfterFunc(r.o.Stall, func() { cancel(errStalled) })
	defer guard.Stop()
	for skip := offset - start; ; {
		n, err := body.Read(buf)
		chunk := buf[:n]
		if n > 0 {
			guard.Stop() // writing to the disk does not count
			r.fetchedBytes.Add(int64(n))
			known := min(skip, int64(n))
			r.wastedBytes.Add(known)
			skip -= known
			if chunk = chunk[known:]; len(chunk) > 0 {
				if _, err := p.Write(chunk); err != nil {
					return destination.StagingError(err)
				}
				r.localBytes.Add(int64(len(chunk)))
				t.done.Store(p.Size())
			}
			guard.Reset(r.o.Stall)
		}
		switch {
		case err == nil:
		case errors.Is(context.Cause(ctx), errStalled):
			return fmt.Errorf("%w for %v, after %d of %d", errStalled, r.o.Stall, p.Size(), b.Size)
		case err != io.EOF:
			return fmt.Errorf("after %d of %d bytes: %w", p.Size(), b.Size, err)
		case p.Size() < b.Size:
			return fmt.Errorf("after %d of %d bytes: %w", p.Size(), b.Size, io.ErrUnexpectedEOF)
		default:
			return nil
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// Progress is a snapshot of a Copy. It is cheap enough for every frame of a terminal.
type Progress struct {
	// Planning is set while Images and Bytes may still grow.
	Planning bool
	// Images counts all images so far. Done were copied or present already.
	Images, Done, Failed int
	// Bytes are those of the blobs to fetch. Fetched are those of them that are
	// staged, including what an earlier run left. Fetched falls when content is wrong
	// and is discarded.
	Bytes, Fetched int64
	Running        []Transfer // in the order of their start
	Elapsed        time.Duration
}

// A Transfer is one blob that is being fetched, in bytes.
type Transfer struct {
	Digest     digest.Digest
	Repository string // host/namespace/name
	Size, Done int64
}

// Progress returns the progress of a Copy; zero before Copy.
func (c *Copier) Progress() Progress {
	r := c.copy.Load()
	if r == nil {
		return Progress{}
	}
	p := Progress{
		Fetched: r.localBytes.Load(),
		Running: r.running.snapshot(),
		Elapsed: time.Since(r.began),
	}
	r.scheduler.progress(&p)
	return p
}

// progress fills in the counts.
func (l *scheduler) progress(p *Progress) {
	l.mu.Lock()
	defer l.unlock()
	p.Planning = !l.inputEnded || l.unexamined > 0
	p.Bytes = l.wanted
	p.Images, p.Done, p.Failed = len(l.items), l.done, l.failed
}

// runningTransfers are the blobs that are being fetched. Safe for concurrent use.
type runningTransfers struct {
	mu        sync.Mutex
	transfers []*transfer
}

// A transfer is a blob that is being fetched. One goroutine writes done.
type transfer struct {
	blob       *blob
	done       atomic.Int64
	repository atomic.Pointer[string]
}

// move records that the blob comes from another repository.
func (t *transfer) move(repository string) { t.repository.Store(&repository) }

func (r *runningTransfers) begin(b *blob, repository string, done int64) *transfer {
	t := &transfer{blob: b}
	t.done.Store(done)
	t.move(repository)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transfers = append(r.transfers, t)
	return t
}

func (r *runningTransfers) end(t *transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transfers = slices.DeleteFunc(r.transfers, func(o *transfer) bool { return o == t })
}

func (r *runningTransfers) snapshot() []Transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Transfer, len(r.transfers))
	for i, t := range r.transfers {
		all[i] = Transfer{Digest: t.blob.Digest, Repository: *t.repository.Load(), Size: t.blob.Size, Done: t.done.Load()}
	}
	return all
}

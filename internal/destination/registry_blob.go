// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/registry"
)

// A cargo is a blob, and what is known of where it is. Safe for concurrent use.
//
// While nobody knows a repository that has it, one caller at a time deals with
// it, so that it is uploaded once and mounted ever after. From then on one caller
// a repository does.
type blobLocations struct {
	mu           sync.Mutex
	repositories []string                 // repositories that have it
	absentFrom   map[string]bool          // repositories that said they have it not
	stale        map[string]bool          // repositories that said they have it, and refused a manifest for want of it
	sent         map[string]bool          // repositories that it was uploaded to
	busy         map[string]chan struct{} // closed when who deals with a repository is done
	first        chan struct{}            // the one of busy that is to find the first home
}

// blob returns what is known of a blob.
func (p *registryDestination) blob(d digest.Digest) *blobLocations {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.blobs[d]
	if c == nil {
		c = &blobLocations{absentFrom: map[string]bool{}, stale: map[string]bool{}, sent: map[string]bool{}, busy: map[string]chan struct{}{}}
		p.blobs[d] = c
	}
	return c
}

// enter waits until the caller may bring the blob into a repository, and gives
// what is to be called in the end; nil when it is there.
func (c *blobLocations) acquire(ctx context.Context, repository string) (leave func(), err error) {
	for {
		c.mu.Lock()
		if slices.Contains(c.repositories, repository) {
			c.mu.Unlock()
			return nil, nil
		}
		before := c.busy[repository]
		if before == nil && len(c.repositories) == 0 {
			before = c.first
		}
		if before == nil {
			done := make(chan struct{})
			c.busy[repository] = done
			if len(c.repositories) == 0 {
				c.first = done
			}
			c.mu.Unlock()
			return func() { c.leave(repository, done) }, nil
		}
		c.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *blobLocations) leave(repository string, done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, repository)
	if c.first == done {
		c.first = nil
	}
	close(done)
}

// arrived notes that a repository has the blob.
func (c *blobLocations) add(repository string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.repositories, repository) {
		c.repositories = append(c.repositories, repository)
	}
}

// lose notes that a repository does not have the blob, whatever it says when it is
// asked: the blob is uploaded to it. false: that was done already.
func (c *blobLocations) forget(repository string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent[repository] {
		return false
	}
	c.repositories = slices.DeleteFunc(c.repositories, func(home string) bool { return home == repository })
	c.absentFrom[repository], c.stale[repository] = true, true
	return true
}

// isLost tells whether a repository is known to have lost the blob.
func (c *blobLocations) isStale(repository string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stale[repository]
}

// uploaded notes that the blob was sent to a repository.
func (c *blobLocations) uploaded(repository string) {
	c.add(repository)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[repository] = true
}

// home returns a repository, not this one, that has the blob; "" when none is known.
func (c *blobLocations) otherThan(repository string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.repositories) == 0 || slices.Contains(c.repositories, repository) {
		return ""
	}
	return c.repositories[0]
}

// NeedsBlob is false when the image's repository has the blob, or another one that
// it can be mounted from.
func (p *registryDestination) NeedsBlob(ctx context.Context, i Image, d ocispec.Descriptor) (bool, error) {
	t, err := p.target(i)
	if err != nil {
		return false, err
	}
	c := p.blob(d.Digest)
	if c.otherThan(t.Name()) != "" && p.mounts() {
		return false, nil
	}
	there, err := p.hasBlob(ctx, t, c, d)
	return !there, err
}

// ask asks a repository whether it has the blob. That it has not is asked once
// in a run. Who may not look does not know of any.
func (p *registryDestination) hasBlob(ctx context.Context, t *target, c *blobLocations, d ocispec.Descriptor) (bool, error) {
	c.mu.Lock()
	here, lacks := slices.Contains(c.repositories, t.Name()), c.absentFrom[t.Name()]
	c.mu.Unlock()
	if here || lacks {
		return here, nil
	}
	there, err := t.HasBlob(ctx, d)
	if err := ignoreRefusal(err); err != nil {
		return false, err
	}
	if there {
		c.add(t.Name())
		return true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.absentFrom[t.Name()] = true
	return false, nil
}

// put brings a blob into a repository. layout.ErrMissing says that it has to be
// fetched for that.
func (p *registryDestination) putBlob(ctx context.Context, t *target, d ocispec.Descriptor) error {
	c := p.blob(d.Digest)
	leave, err := c.acquire(ctx, t.Name())
	if err != nil || leave == nil {
		return err
	}
	defer leave()
	if from := c.otherThan(t.Name()); from != "" && p.mounts() && !c.isStale(t.Name()) {
		if ok, err := p.mount(ctx, t, d, from); ok || err != nil {
			return err
		}
	}
	if there, err := p.hasBlob(ctx, t, c, d); there || err != nil {
		return err
	}
	have, err := p.staging.Has(ctx, d)
	if err != nil {
		return StagingError(err)
	}
	if !have {
		return layout.ErrMissing
	}
	if err := t.Upload(ctx, d, func() (io.ReadCloser, error) {
		content, _, err := p.staging.Blob(d.Digest)
		return content, StagingError(err)
	}); err != nil {
		return p.failed(t, err)
	}
	p.uploaded.Add(d.Size)
	c.uploaded(t.Name())
	return nil
}

// mounts tells whether mounting is worth a try.
func (p *registryDestination) mounts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.noMounts
}

// maxBusy is how many mounts in a row a registry may refuse with 429 before no more
// are tried.
const maxBusy = 3

// mount has a repository take over a blob from another one. Whatever goes wrong
// means that the blob is uploaded. If that is so the first time, mounting is not
// tried again. A 429 may pass: a few of them are needed for that, at any time.
func (p *registryDestination) mount(ctx context.Context, t *target, d ocispec.Descriptor, from string) (bool, error) {
	ok, err := t.Mount(ctx, d, from)
	if err != nil && ctx.Err() != nil {
		return false, p.failed(t, err)
	}
	if ok = ok && err == nil; ok {
		p.mounted.Add(d.Size)
		p.blob(d.Digest).add(t.Name())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, is := errors.AsType[*registry.Error](err)
	busy := is && answer.Status == http.StatusTooManyRequests
	switch {
	case ok:
		p.busy = 0
	case busy:
		p.busy++
	}
	p.noMounts = !ok && (p.busy >= maxBusy || !busy && p.mounted.Load() == 0)
	return ok, nil
}

// PutBlob uploads the blob at once, so that uploads and fetches overlap. That
// writing is denied is told by the Commit of each image that it concerns: the
// same blob may be welcome elsewhere.
func (p *registryDestination) PutBlob(ctx context.Context, i Image, d ocispec.Descriptor) error {
	t, err := p.target(i)
	if err != nil {
		return err
	}
	if err := p.putBlob(ctx, t, d); !errors.Is(err, registry.ErrDenied) {
		return err
	}
	return nil
}

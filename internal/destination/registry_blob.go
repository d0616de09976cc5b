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

// blobLocations records which repositories have a blob. Safe for concurrent use.
//
// Until a repository has the blob, one caller at a time handles the blob, so that it is
// uploaded once and mounted later. After that, one caller for each repository handles it.
type blobLocations struct {
	mu           sync.Mutex
	repositories []string                 // that have the blob
	absentFrom   map[string]bool          // repositories that do not have it
	stale        map[string]bool          // repositories that reported the blob as present, and then refused a manifest because it is missing
	sent         map[string]bool          // repositories that it was uploaded to
	busy         map[string]chan struct{} // by repository; closed when its caller is done
	first        chan struct{}            // the entry of busy for the first repository that gets the blob
}

// blob returns the locations of a blob.
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

// acquire waits until the caller may upload the blob to a repository or mount it. The
// caller then calls leave; leave is nil if the repository has the blob already.
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

// add records that a repository has the blob.
func (c *blobLocations) add(repository string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.repositories, repository) {
		c.repositories = append(c.repositories, repository)
	}
}

// forget records that a repository does not have the blob, whatever it reports, so that
// the blob is uploaded. It returns false if forget was called before.
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

// isStale reports whether forget was called for a repository.
func (c *blobLocations) isStale(repository string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stale[repository]
}

// uploaded records that the blob was uploaded to a repository.
func (c *blobLocations) uploaded(repository string) {
	c.add(repository)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[repository] = true
}

// otherThan returns another repository that has the blob. It returns "" if none is known,
// or if this repository has the blob.
func (c *blobLocations) otherThan(repository string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.repositories) == 0 || slices.Contains(c.repositories, repository) {
		return ""
	}
	return c.repositories[0]
}

// NeedsBlob returns false if the image's repository has the blob, or if the blob can be
// mounted from another repository.
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

// hasBlob checks whether a repository has the blob. A negative result is kept for the run.
// A refusal counts as no.
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

// putBlob mounts a blob into a repository, or uploads it. The error is layout.ErrMissing
// if the blob must be fetched first.
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

// mounts reports whether mounting should be tried.
func (p *registryDestination) mounts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.noMounts
}

// maxBusy is how many mounts in a row a registry may refuse with 429 before mounting is
// not tried any more.
const maxBusy = 3

// mount mounts a blob from another repository. If it fails for any reason, the blob is
// uploaded. If the first mount fails, mounting is not tried again; after 429, which may
// pass, only if that happens a few times in a row.
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

// PutBlob uploads the blob at once, so that uploads and fetches overlap. It ignores a
// denial, because another repository may accept the blob. The Commit of each denied image
// returns the error.
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

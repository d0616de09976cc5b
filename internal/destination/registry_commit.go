// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// maxPuts is how many blobs of one image are mounted or uploaded at once.
const maxPuts = 8

// Commit mounts or uploads all blobs, and then pushes the manifests, the referrers, and
// the tag last. A *MissingError lists the blobs that no repository has after all, or that
// the registry refuses to mount. For an image that is present, it pushes only the
// referrers.
func (p *registryDestination) Commit(ctx context.Context, s Staged) error {
	t, err := p.target(s.Image)
	if err != nil {
		return err
	}
	if s.Present {
		if s.Referrers, err = p.missingReferrers(ctx, t, s.Referrers); err != nil {
			return err
		}
		s.Blobs, s.Manifests = nil, nil
	}
	blobs := slices.Clone(s.Blobs)
	for _, at := range s.Referrers {
		blobs = append(blobs, at.Blobs...)
	}
	if err := p.putBlobs(ctx, t, blobs); err != nil {
		return err
	}
	for _, d := range s.Manifests {
		if d.Digest != s.Root.Digest {
			if err := p.pushManifest(ctx, t, d, "", blobs); err != nil {
				return err
			}
		}
	}
	// The distribution specification allows a referrer to come before its subject. A tag
	// must come last.
	for _, at := range s.Referrers {
		for _, d := range at.Manifests {
			if d.Digest != at.Root.Digest {
				if err := p.pushManifest(ctx, t, d, "", blobs); err != nil {
					return err
				}
			}
		}
		if err := p.pushManifest(ctx, t, at.Root, at.Tag, blobs); err != nil {
			return err
		}
	}
	if s.Present {
		p.records.set(p.Name(s.Image), s)
		return nil
	}
	if err := p.pushManifest(ctx, t, s.Root, s.Tag, blobs); err != nil {
		if s.Sparse && !errors.Is(err, registry.ErrDenied) && ctx.Err() == nil {
			err = fmt.Errorf("%w; the index lists images that were left out, which not every registry accepts: rewrite it with --index rewrite", err)
		}
		return err
	}
	p.records.set(p.Name(s.Image), s)
	return nil
}

// missingReferrers returns the referrers of an image that the registry does not have.
func (p *registryDestination) missingReferrers(ctx context.Context, t *target, all []Referrer) (lacking []Referrer, err error) {
	for _, at := range all {
		there := false
		if at.Tag == "" {
			there, err = t.HasManifest(ctx, at.Root.Digest)
		} else {
			var d ocispec.Descriptor
			d, err = t.Resolve(ctx, at.Tag)
			there = err == nil && d.Digest == at.Root.Digest
			if errors.Is(err, registry.ErrNotFound) {
				err = nil
			}
		}
		if err != nil {
			return nil, p.failed(t, err)
		}
		if !there {
			lacking = append(lacking, at)
		}
	}
	return lacking, nil
}

// putBlobs mounts or uploads blobs to a repository, each once. A *MissingError lists the
// blobs that must be fetched first.
func (p *registryDestination) putBlobs(ctx context.Context, t *target, blobs []ocispec.Descriptor) error {
	seen := map[digest.Digest]bool{}
	blobs = slices.DeleteFunc(blobs, func(d ocispec.Descriptor) bool {
		before := seen[d.Digest]
		seen[d.Digest] = true
		return before
	})
	missing := make([]bool, len(blobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxPuts)
	for i, d := range blobs {
		g.Go(func() error {
			err := p.putBlob(ctx, t, d)
			if errors.Is(err, layout.ErrMissing) {
				missing[i], err = true, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	m := &MissingError{}
	for i, d := range blobs {
		if missing[i] {
			m.Blobs = append(m.Blobs, d)
		}
	}
	if len(m.Blobs) > 0 {
		return m
	}
	return nil
}

// pushManifest pushes a staged manifest, by digest or under a tag. If the registry lacks a
// blob that it reported as present, pushManifest uploads the blob and pushes the manifest
// again, once for each blob. If a blob must be fetched first, all blobs count as missing,
// so that one more round is enough.
func (p *registryDestination) pushManifest(ctx context.Context, t *target, d ocispec.Descriptor, tag string, all []ocispec.Descriptor) error {
	content, err := p.staging.Read(ctx, d)
	if err != nil {
		return StagingError(err)
	}
	for {
		err := t.PushManifest(ctx, d, content, tag)
		if err == nil {
			return nil
		}
		lost := p.lostBlobs(t, d, content, err)
		if len(lost) == 0 {
			return p.failed(t, err)
		}
		err = p.putBlobs(ctx, t, lost)
		var missing *MissingError
		if errors.As(err, &missing) {
			err = p.putBlobs(ctx, t, p.forget(t, all))
		}
		if err != nil {
			return err
		}
	}
}

// lostBlobs returns the blobs of a manifest that a registry lacks after all, according to
// the error of a push. It omits blobs that were uploaded in this run.
func (p *registryDestination) lostBlobs(t *target, d ocispec.Descriptor, content []byte, refused error) []ocispec.Descriptor {
	answer, ok := errors.AsType[*registry.Error](refused)
	if !ok {
		return nil
	}
	named, lacks := answer.LacksBlobs()
	m, err := manifest.Parse(d.MediaType, content)
	if !lacks || err != nil {
		return nil
	}
	return p.forget(t, slices.DeleteFunc(m.Blobs(), func(b ocispec.Descriptor) bool {
		return len(named) > 0 && !slices.Contains(named, b.Digest)
	}))
}

// forget records that a repository lacks blobs. It returns the blobs that were not
// uploaded yet.
func (p *registryDestination) forget(t *target, blobs []ocispec.Descriptor) []ocispec.Descriptor {
	return slices.DeleteFunc(slices.Clone(blobs), func(b ocispec.Descriptor) bool { return !p.blob(b.Digest).forget(t.Name()) })
}

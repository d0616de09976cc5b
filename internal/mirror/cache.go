// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// A manifestCache returns manifests and configurations from the staging layout, or else
// from their repository. It fetches each once. Safe for concurrent use.
type manifestCache struct {
	staging      *layout.Layout // nil: none
	dry          bool           // do not stage what was fetched
	flights      *singleflight.Group
	fetchedBytes *atomic.Int64 // from repositories
}

func newManifestCache(staging *layout.Layout, dry bool) manifestCache {
	return manifestCache{staging, dry, new(singleflight.Group), new(atomic.Int64)}
}

// manifest returns a manifest by its digest. It checks the digest, and the size if want
// has one. fetched reports whether this call fetched the manifest.
func (s manifestCache) manifest(ctx context.Context, from *source, want ocispec.Descriptor) (desc ocispec.Descriptor, content []byte, fetched bool, err error) {
	type answer struct {
		desc    ocispec.Descriptor
		content []byte
	}
	if desc, content, err = s.staged(ctx, want.Digest); content == nil && err == nil {
		var got any
		got, err, _ = s.flights.Do(from.name+"@"+want.Digest.String(), func() (any, error) {
			fetched = true // by this caller, not by others that wait for the same manifest
			desc, content, err := from.manifest(ctx, want.Digest)
			if err != nil {
				return nil, fmt.Errorf("manifest %s: %w", want.Digest, err)
			}
			s.fetchedBytes.Add(int64(len(content)))
			// The manifest's own media type counts, whatever it was served as.
			if own := manifest.MediaType(content); own != "" {
				desc.MediaType = own
			}
			return answer{desc, content}, s.put(ctx, desc, content)
		})
		if err == nil {
			desc, content = got.(answer).desc, got.(answer).content
		}
	}
	if err != nil {
		return want, nil, false, err
	}
	if want.MediaType != "" { // listed by an index
		if want.Size != int64(len(content)) {
			return want, nil, false, fmt.Errorf("manifest %s has %d bytes, not %d as the index says", want.Digest, len(content), want.Size)
		}
		return want, content, fetched, nil
	}
	return ocispec.Descriptor{MediaType: desc.MediaType, Digest: want.Digest, Size: int64(len(content))}, content, fetched, nil
}

// staged returns a manifest of the staging layout, or no content if it is missing or
// damaged.
func (s manifestCache) staged(ctx context.Context, d digest.Digest) (ocispec.Descriptor, []byte, error) {
	desc := ocispec.Descriptor{Digest: d}
	if s.staging == nil {
		return desc, nil, nil
	}
	file, size, err := s.staging.Blob(d)
	if errors.Is(err, layout.ErrMissing) {
		return desc, nil, nil
	}
	if err != nil {
		return desc, nil, destination.StagingError(err)
	}
	_ = file.Close() // only its size is needed
	if size > manifest.MaxSize {
		return desc, nil, nil
	}
	desc.Size = size
	content, err := s.staging.Read(ctx, desc)
	if errors.Is(err, layout.ErrMissing) || errors.Is(err, layout.ErrCorrupt) {
		return desc, nil, nil
	}
	desc.MediaType = manifest.MediaType(content)
	if desc.MediaType == "" {
		return desc, nil, destination.StagingError(err)
	}
	return desc, content, destination.StagingError(err)
}

// put stages a small blob, except in a dry run.
func (s manifestCache) put(ctx context.Context, d ocispec.Descriptor, content []byte) error {
	if s.staging == nil || s.dry {
		return nil
	}
	return destination.StagingError(s.staging.Put(ctx, d, content))
}

// config returns a configuration, checked against its descriptor.
func (s manifestCache) config(ctx context.Context, from *source, d ocispec.Descriptor) ([]byte, error) {
	if d.Size > maxConfig {
		return nil, fmt.Errorf("its %d bytes exceed the limit of %d", d.Size, maxConfig)
	}
	if s.staging != nil {
		content, err := s.staging.Read(ctx, d)
		if err == nil {
			return content, nil
		}
		if err = destination.StagingError(err); destination.IsFatal(err) {
			return nil, err
		}
	}
	got, err, _ := s.flights.Do("config "+from.name+"@"+d.Digest.String(), func() (any, error) {
		var content []byte
		err := retry(ctx, func() (err error) {
			content, err = s.small(ctx, from, d)
			return err
		})
		if err != nil {
			return nil, err
		}
		return content, s.put(ctx, d, content)
	})
	if err != nil {
		return nil, err
	}
	return got.([]byte), nil
}

// small fetches a blob into memory.
func (s manifestCache) small(ctx context.Context, from *source, d ocispec.Descriptor) ([]byte, error) {
	body, _, err := from.Blob(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, d.Size+1))
	s.fetchedBytes.Add(int64(len(content)))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != d.Size || d.Digest.Algorithm().FromBytes(content) != d.Digest {
		return nil, fmt.Errorf("%w: content does not match its digest", registry.ErrMalformed)
	}
	return content, nil
}

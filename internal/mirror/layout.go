// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"maps"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// ToLayout copies into an image layout that many images share: blobs are staged
// where they stay. An image is an entry with its full reference for a name
// (Image.Reference).
//
// What is attached is an entry of its own, which keeps it from being collected:
// host/namespace/name:sha256-....sig for what cosign keeps in a tag, as it is
// called at the source, and host/namespace/name@sha256:... for a referrer. Tools
// find the referrers of a layout by the subjects of what its index lists, whatever its
// name; an index under a fallback tag, as registries have, would have to be
// read, changed and written for each, and gives the reader nothing more.
//
// The layout is the caller's, and Close leaves it open.
func ToLayout(l *layout.Layout) Destination { return shared{l} }

type shared struct{ l *layout.Layout }

func (s shared) String() string          { return "oci:" + s.l.Dir() }
func (s shared) Staging() *layout.Layout { return s.l }
func (s shared) Name(i Image) string     { return i.Reference() }

// Has tells whether the entry has this digest and all it leads to is there: by
// size, or by hash when the layout was opened so. What was left out of a sparse
// index is not there, so that one is never whole: see hasStaged.
func (s shared) Has(ctx context.Context, i Image, root digest.Digest) (bool, error) {
	e, there := s.l.Image(i.Reference())
	if !there || e.Descriptor.Digest != root {
		return false, nil
	}
	return s.whole(ctx, e.Descriptor)
}

// whole reports whether a manifest and all that it lists are there.
func (s shared) whole(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	g := manifest.NewGraph(func(ctx context.Context, d ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
		content, err := s.l.Read(ctx, d)
		return d, content, stagingError(err)
	})
	return complete(ctx, g, d, s.hasBlob)
}

// hasBlob reports whether a blob is there. A descriptor with a wrong size is not.
func (s shared) hasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	there, err := s.l.Has(ctx, d)
	if errors.Is(err, layout.ErrCorrupt) {
		err = nil
	}
	return there, stagingError(err)
}

// all reports whether all of some blobs are there.
func (s shared) all(ctx context.Context, blobs []ocispec.Descriptor) (bool, error) {
	for _, d := range blobs {
		if there, err := s.hasBlob(ctx, d); err != nil || !there {
			return false, err
		}
	}
	return true, nil
}

// hasStaged tells whether the image is there with those of its images that were
// chosen.
func (s shared) hasStaged(ctx context.Context, st Staged) (bool, error) {
	e, there := s.l.Image(st.Reference())
	if !there || e.Descriptor.Digest != st.Root.Digest {
		return false, nil
	}
	if there, err := s.all(ctx, st.Manifests); err != nil || !there {
		return false, err
	}
	return s.all(ctx, st.Blobs)
}

// Wants tells whether the blob is not there.
func (s shared) Wants(ctx context.Context, _ Image, d ocispec.Descriptor) (bool, error) {
	there, err := s.l.Has(ctx, d)
	return !there, stagingError(err)
}

// Take has nothing to do: what is staged is there.
func (s shared) Take(context.Context, Image, ocispec.Descriptor) error { return nil }

// record reads the record of an image's entry, when all that it lists is there.
func (s shared) record(ctx context.Context, st Staged) (*record, error) {
	e, there := s.l.Image(st.Reference())
	if !there || e.Descriptor.Digest != st.Root.Digest {
		return nil, nil
	}
	r := annotated(e.Descriptor)
	if r == nil {
		return nil, nil
	}
	for _, i := range r.images(st.Image) {
		at, there := s.l.Image(i.Reference())
		if !there {
			return nil, nil
		}
		if whole, err := s.whole(ctx, at.Descriptor); err != nil || !whole {
			return nil, err
		}
	}
	return r, nil
}

// Commit enters the image, after what is attached to it, and with a record of that
// if all of it could be had: a kill in between loses neither, as an image without
// a record is looked at again.
func (s shared) Commit(ctx context.Context, st Staged) error {
	for _, a := range st.Attached {
		i := Image{Host: st.Host, Repository: st.Repository, Tag: a.Tag, Digest: a.Root.Digest}
		if err := s.l.Tag(ctx, layout.Entry{Name: i.Reference(), Descriptor: a.Root}); err != nil {
			return stagingError(err)
		}
	}
	root := st.Root
	root.Annotations = maps.Clone(root.Annotations)
	if root.Annotations == nil {
		root.Annotations = map[string]string{}
	}
	if st.Sparse {
		root.Annotations[layout.AnnotationIndex] = layout.SparseIndex
	}
	st.record.annotate(root.Annotations)
	return stagingError(s.l.Tag(ctx, layout.Entry{Name: st.Reference(), Descriptor: root}))
}

// Finish has nothing to do: each image was finished by itself.
func (s shared) Finish(context.Context) error { return nil }

// Close leaves the layout open.
func (s shared) Close() error { return nil }

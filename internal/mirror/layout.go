// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"maps"
	"slices"

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
func ToLayout(l *layout.Layout) Destination { return shared{l: l} }

type shared struct {
	Base
	l *layout.Layout
}

func (s shared) String() string          { return "oci:" + s.l.Dir() }
func (s shared) Staging() *layout.Layout { return s.l }
func (s shared) Name(i Image) string     { return i.Reference() }

// Has reports whether the entry has this digest and all that it leads to is there: by
// size, or by hash if the layout was opened with Check. A sparse index is never whole.
func (s shared) Has(ctx context.Context, st Staged) (f Found, err error) {
	e, there := s.l.Image(st.Reference())
	if !there || e.Descriptor.Digest != st.Root.Digest {
		return f, nil
	}
	if len(st.Manifests) == 0 {
		f.Present, err = s.whole(ctx, e.Descriptor)
	} else {
		f.Present, err = s.all(ctx, slices.Concat(st.Manifests, st.Blobs))
	}
	if f.Present && err == nil {
		f.record, err = s.record(ctx, st.Image, e.Descriptor)
	}
	return f, err
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

// NeedsBlob reports whether the blob is not there.
func (s shared) NeedsBlob(ctx context.Context, _ Image, d ocispec.Descriptor) (bool, error) {
	there, err := s.l.Has(ctx, d)
	return !there, stagingError(err)
}

// record returns the record of an entry, if all that the record lists is there.
func (s shared) record(ctx context.Context, i Image, d ocispec.Descriptor) (*record, error) {
	r := annotated(d)
	if r == nil {
		return nil, nil
	}
	for _, i := range r.images(i) {
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"maps"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
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
func Layout(l *layout.Layout) Destination { return layoutDestination{l: l} }

type layoutDestination struct {
	Base
	l *layout.Layout
}

func (s layoutDestination) String() string          { return "oci:" + s.l.Dir() }
func (s layoutDestination) Staging() *layout.Layout { return s.l }
func (s layoutDestination) Name(i Image) string     { return i.Reference() }

// Has looks for an entry with this digest and for all that it leads to: by size, or by
// hash if the layout was opened with Check.
func (s layoutDestination) Has(ctx context.Context, st Staged) (Found, error) {
	return find(ctx, s, st)
}

func (s layoutDestination) image(name string) (ocispec.Descriptor, bool) {
	e, there := s.l.Image(name)
	return e.Descriptor, there
}

func (s layoutDestination) read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	content, err := s.l.Read(ctx, d)
	return content, StagingError(err)
}

// hasBlob reports whether a blob is there. If its size is not that of the descriptor,
// it is not.
func (s layoutDestination) hasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	there, err := s.l.Has(ctx, d)
	if errors.Is(err, layout.ErrCorrupt) {
		err = nil
	}
	return there, StagingError(err)
}

// NeedsBlob reports whether the blob is not there.
func (s layoutDestination) NeedsBlob(ctx context.Context, _ Image, d ocispec.Descriptor) (bool, error) {
	there, err := s.l.Has(ctx, d)
	return !there, StagingError(err)
}

// Commit enters the image, after what is attached to it, and with a record of that
// if all of it could be had: a kill in between loses neither, as an image without
// a record is looked at again.
func (s layoutDestination) Commit(ctx context.Context, st Staged) error {
	for _, a := range st.Attached {
		i := Image{Host: st.Host, Repository: st.Repository, Tag: a.Tag, Digest: a.Root.Digest}
		if err := s.l.Tag(ctx, layout.Entry{Name: i.Reference(), Descriptor: a.Root}); err != nil {
			return StagingError(err)
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
	st.Record.annotate(root.Annotations)
	return StagingError(s.l.Tag(ctx, layout.Entry{Name: st.Reference(), Descriptor: root}))
}

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

// Layout returns a destination that is an image layout: blobs are staged where they stay.
// The name of an image's entry is its full reference (Image.Reference).
//
// A referrer gets an entry of its own, so that it is not collected:
// host/namespace/name:sha256-....sig for what cosign keeps in a tag, and
// host/namespace/name@sha256:... for any other. Tools find the referrers in a layout by
// the subjects of the manifests that its index lists, whatever their names are. An index
// under a fallback tag, as registries have, would have to be read, changed and written
// for each referrer, and would not help those tools.
//
// The layout belongs to the caller, and Close leaves it open.
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

// NeedsBlob reports whether the blob is missing.
func (s layoutDestination) NeedsBlob(ctx context.Context, _ Image, d ocispec.Descriptor) (bool, error) {
	there, err := s.l.Has(ctx, d)
	return !there, StagingError(err)
}

// Commit adds the image to the index, after its referrers, and with a record if all
// referrers could be copied. A kill in between loses nothing: an image without a record
// is examined again.
func (s layoutDestination) Commit(ctx context.Context, st Staged) error {
	for _, a := range st.Referrers {
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

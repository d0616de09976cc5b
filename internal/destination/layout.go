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

// Layout returns a destination that is an image layout. Blobs are staged in the layout
// itself.
// The name of an image's entry is its full reference (Image.Reference).
//
// A referrer gets its own entry, so that Collect keeps it:
// host/namespace/name:sha256-....sig if cosign stores it under a tag, and otherwise
// host/namespace/name@sha256:.... Tools find the referrers in a layout by
// the subjects of the manifests that its index lists, whatever their names are. An index
// under a fallback tag, as in registries, would need a read, a change and a write for each
// referrer, and would not help such tools.
//
// The caller closes the layout; Close leaves it open.
func Layout(l *layout.Layout) Destination { return layoutDestination{l: l} }

type layoutDestination struct {
	Base
	l *layout.Layout
}

func (s layoutDestination) String() string          { return "oci:" + s.l.Dir() }
func (s layoutDestination) Staging() *layout.Layout { return s.l }
func (s layoutDestination) Name(i Image) string     { return i.Reference() }

// Has looks for an entry with this digest, and for all manifests and blobs below it. It
// checks their sizes, or their hashes if the layout was opened with Check.
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

// hasBlob reports whether the layout has a blob with the descriptor's size.
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
// referrers could be copied. If the process is killed in between, nothing is lost: the
// next run examines an image without a record again.
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

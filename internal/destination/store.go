// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// A store has images on the disk: a layout, or an archive with its staging folder.
type store interface {
	// image returns the entry of the index with this name.
	image(name string) (ocispec.Descriptor, bool)
	// hasBlob reports whether the store has a blob of this digest and size.
	hasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error)
	// read returns a manifest, checked against its descriptor.
	read(ctx context.Context, d ocispec.Descriptor) ([]byte, error)
}

// find looks for an image in a store. If the manifests and blobs of the image are known,
// they must all be present. Otherwise everything below its entry must be present, which a
// sparse index never meets.
func find(ctx context.Context, s store, st Staged) (f Found, err error) {
	d, there := s.image(st.Reference())
	if !there || d.Digest != st.Root.Digest {
		return f, nil
	}
	f.Present = true
	for _, d := range slices.Concat(st.Manifests, st.Blobs) {
		if f.Present, err = s.hasBlob(ctx, d); err != nil || !f.Present {
			return f, err
		}
	}
	if len(st.Manifests) == 0 {
		f.Present, err = complete(ctx, s, d)
	}
	if f.Present && err == nil {
		f.Record, err = storedRecord(ctx, s, st.Image, d)
	}
	return f, err
}

// storedRecord returns the record of an entry if all listed referrers are present.
func storedRecord(ctx context.Context, s store, i Image, d ocispec.Descriptor) (*Record, error) {
	r := recordOf(d)
	if r == nil {
		return nil, nil
	}
	for _, i := range r.images(i) {
		d, there := s.image(i.Reference())
		if !there {
			return nil, nil
		}
		if whole, err := complete(ctx, s, d); err != nil || !whole {
			return nil, err
		}
	}
	return r, nil
}

// graphOf returns the graph of the manifests in a store.
func graphOf(s store) *manifest.Graph {
	return manifest.NewGraph(func(ctx context.Context, d ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
		content, err := s.read(ctx, d)
		return d, content, err
	})
}

// errIncomplete ends the walk of complete.
var errIncomplete = errors.New("incomplete")

// complete reports whether a manifest and all that it lists are in a store.
func complete(ctx context.Context, s store, root ocispec.Descriptor) (bool, error) {
	err := graphOf(s).Walk(ctx, root, func(n *manifest.Node) error {
		switch {
		case IsFatal(n.Err), errors.Is(n.Err, layout.ErrUnreadable), n.Err != nil && ctx.Err() != nil:
			return n.Err
		case n.Err != nil, n.Role != manifest.Blob && (n.Size != n.Read || !manifest.IsManifest(n.MediaType)):
			return errIncomplete // the source is asked again, and that request reports the error
		case n.Role != manifest.Blob || n.External:
			return nil
		}
		there, err := s.hasBlob(ctx, n.Descriptor)
		if err == nil && !there {
			err = errIncomplete
		}
		return err
	}, nil)
	if errors.Is(err, errIncomplete) {
		return false, nil
	}
	return err == nil, err
}

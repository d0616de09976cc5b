// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// Finish writes the archive, when there is anything new for it.
func (a *archive) Finish(ctx context.Context) error {
	if err := a.finish(ctx); err != nil {
		return fmt.Errorf("the archive cannot be written: %w; what was fetched is kept in %s", err, a.staging.Dir())
	}
	return nil
}

func (a *archive) finish(ctx context.Context) error {
	index := a.entries()
	content, err := marshalIndex(index)
	if err != nil {
		return err
	}
	parts, err := a.parts(ctx, index)
	if err != nil {
		return err
	}
	changed, err := a.changed(content, parts)
	if err != nil {
		return err
	}
	if changed {
		if err := a.write(ctx, index, content, parts); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finished = len(a.pending) == 0
	return nil
}

// changed tells whether the old archive has another index or lacks a part. Where
// there is none, that is whether there is anything to write.
func (a *archive) changed(content []byte, parts []ocispec.Descriptor) (bool, error) {
	if a.old == nil {
		return len(parts) > 0, nil
	}
	before, err := marshalIndex(a.old.index)
	lacks := slices.ContainsFunc(parts, func(d ocispec.Descriptor) bool { return !a.old.has(d) })
	return lacks || !bytes.Equal(before, content), err
}

// entries are the archive's images, in the order of their names: those of the
// old archive that nothing staged replaces, and the staged ones.
func (a *archive) entries() []ocispec.Descriptor {
	var index []ocispec.Descriptor
	replaced := map[string]bool{}
	for _, e := range a.staging.Images() {
		replaced[e.Name] = true
		index = append(index, e.Descriptor)
	}
	if a.old != nil {
		for _, d := range a.old.index {
			if !replaced[nameOf(d)] {
				index = append(index, d)
			}
		}
	}
	slices.SortStableFunc(index, func(x, y ocispec.Descriptor) int {
		return strings.Compare(nameOf(x)+"\x00"+string(x.Digest), nameOf(y)+"\x00"+string(y.Digest))
	})
	return index
}

// parts follows images to all that they point to, in the order of the digests.
// Only what a sparse index lists may be missing: that was left out.
func (a *archive) parts(ctx context.Context, images []ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	type part struct {
		ocispec.Descriptor
		sparse   bool // of a sparse index
		optional bool
	}
	var queue []part
	for _, d := range images {
		queue = append(queue, part{d, d.Annotations[layout.AnnotationIndex] == layout.SparseIndex, false})
	}
	found := map[digest.Digest]ocispec.Descriptor{}
	for ; len(queue) > 0; queue = queue[1:] {
		d := queue[0]
		if _, ok := found[d.Digest]; ok {
			continue
		}
		there, err := a.holds(ctx, d.Descriptor)
		if err != nil {
			return nil, err
		}
		if !there {
			if d.optional {
				continue
			}
			return nil, fmt.Errorf("%s: %w", d.Digest, layout.ErrMissing)
		}
		found[d.Digest] = d.Descriptor
		if !manifest.IsManifest(d.MediaType) {
			continue
		}
		m, err := a.parse(ctx, d.Descriptor)
		if err != nil {
			return nil, err
		}
		for _, child := range m.Children {
			queue = append(queue, part{child, d.sparse, d.sparse})
		}
		for _, blob := range m.Blobs() {
			queue = append(queue, part{Descriptor: blob})
		}
	}
	return slices.SortedFunc(maps.Values(found), func(x, y ocispec.Descriptor) int {
		return strings.Compare(string(x.Digest), string(y.Digest))
	}), nil
}

// parse reads a manifest, staged or in the old archive.
func (a *archive) parse(ctx context.Context, d ocispec.Descriptor) (manifest.Manifest, error) {
	content, err := a.staging.Read(ctx, d)
	if errors.Is(err, layout.ErrMissing) && a.old.has(d) {
		content, err = a.old.read(d)
	}
	if err != nil {
		return manifest.Manifest{}, err
	}
	m, err := manifest.Parse(d.MediaType, content)
	if err != nil {
		return manifest.Manifest{}, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return m, nil
}

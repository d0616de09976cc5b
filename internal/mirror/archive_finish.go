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

// Finish writes the archive, when there is anything new for it. An image that
// turns out to be damaged or incomplete is left out, and the rest is written.
func (a *archive) Finish(ctx context.Context, complete bool) (leftOut map[string]error, err error) {
	if err := a.finish(ctx); err != nil {
		return nil, fmt.Errorf("the archive cannot be written: %w; what was fetched is kept in %s", err, a.staging.Dir())
	}
	a.finished = complete && len(a.leftOut) == 0
	return a.leftOut, nil
}

// finish writes the archive. A staged blob that proves damaged while it is
// written is removed, and the archive is begun anew without the images that need
// the blob; each round removes a blob, so the rounds end.
func (a *archive) finish(ctx context.Context) error {
	for {
		c, err := a.contents(ctx)
		if err != nil {
			return err
		}
		text, err := marshalIndex(c.index)
		if err != nil {
			return err
		}
		changed, err := a.changed(text, c.parts)
		if err != nil {
			return err
		}
		if changed {
			err := a.write(ctx, c, text)
			if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
				if err := a.discard(damaged); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// discard removes a damaged blob from the staging folder, or from what is known
// of the old archive: the new one is written without it.
func (a *archive) discard(damaged *damagedError) error {
	if damaged.staged {
		return stagingError(a.staging.Delete(damaged.blob))
	}
	delete(a.old.blobs, damaged.blob)
	return nil
}

// changed tells whether the old archive has another index or lacks a part. Where
// there is none, that is whether there is anything to write.
func (a *archive) changed(index []byte, parts []ocispec.Descriptor) (bool, error) {
	if a.old == nil {
		return len(parts) > 0, nil
	}
	before, err := marshalIndex(a.old.index)
	lacks := slices.ContainsFunc(parts, func(d ocispec.Descriptor) bool { return !a.old.has(d) })
	return lacks || !bytes.Equal(before, index), err
}

// The contents of an archive to be written.
type contents struct {
	index  []ocispec.Descriptor // by name
	parts  []ocispec.Descriptor // all that the index leads to, by digest
	docker []dockerImage        // of a docker archive: what docker loads
}

// contents returns what the archive is to hold: the staged images, and those of
// the old archive that no staged image replaces. A staged image that is not whole
// is removed from the staging folder and left out. What the old archive holds is
// kept as it is, whole or not: it may be another tool's. An image for which the disk
// has no room stays staged and is left out.
func (a *archive) contents(ctx context.Context) (contents, error) {
	var c contents
	found := map[digest.Digest]ocispec.Descriptor{}
	add := func(d ocispec.Descriptor, parts []ocispec.Descriptor) {
		c.index = append(c.index, d)
		for _, part := range parts {
			found[part.Digest] = part
		}
	}
	loads := map[string]dockerImage{}
	addLoad := func(d ocispec.Descriptor) error {
		if !a.docker() {
			return nil
		}
		load, err := a.load(ctx, d)
		if err == nil {
			loads[entryKey(d)] = load
		}
		return err
	}
	newer := map[string]bool{}
	images, err := a.withRoom(ctx)
	if err != nil {
		return c, err
	}
	for _, e := range images {
		parts, err := a.parts(ctx, e.Descriptor, false)
		if err == nil {
			err = addLoad(e.Descriptor)
		}
		if ctx.Err() != nil || isFatal(err) {
			return c, err
		}
		if err != nil {
			if err := a.leaveOut(ctx, e.Name, err); err != nil {
				return c, err
			}
			continue
		}
		newer[e.Name] = true
		add(e.Descriptor, parts)
	}
	for _, d := range a.old.entries() {
		if newer[nameOf(d)] {
			continue
		}
		parts, err := a.parts(ctx, d, false)
		if err == nil {
			err = addLoad(d)
		} else if !isFatal(err) && ctx.Err() == nil {
			a.damaged(nameOf(d), err)
			parts, err = a.parts(ctx, d, true)
		}
		if ctx.Err() != nil || isFatal(err) {
			return c, err
		}
		if err != nil {
			a.damaged(nameOf(d), err)
		}
		add(d, parts)
	}
	slices.SortStableFunc(c.index, func(x, y ocispec.Descriptor) int { return strings.Compare(entryKey(x), entryKey(y)) })
	c.parts = slices.SortedFunc(maps.Values(found), func(x, y ocispec.Descriptor) int {
		return strings.Compare(string(x.Digest), string(y.Digest))
	})
	c.docker = dockerImages(c.index, loads)
	return c, nil
}

// withRoom returns the staged images that the disk has room for in the new tar. If
// all of them fit besides what is kept of the old archive, that is all of them.
// Otherwise they are counted one by one, beside all of the old archive.
func (a *archive) withRoom(ctx context.Context) ([]layout.Entry, error) {
	a.mu.Lock()
	images := slices.DeleteFunc(a.staging.Images(), func(e layout.Entry) bool {
		if err := a.noRoom[e.Name]; err != nil {
			a.leftOut[e.Name] = err
		}
		return a.noRoom[e.Name] != nil
	})
	a.mu.Unlock()
	parts := make([][]ocispec.Descriptor, len(images))
	all := a.old.entries()
	for i, e := range images {
		all = slices.DeleteFunc(slices.Clone(all), func(d ocispec.Descriptor) bool { return nameOf(d) == e.Name })
		parts[i], _ = a.parts(ctx, e.Descriptor, true)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	whole := slices.Concat(parts...)
	for _, d := range all {
		old, _ := a.parts(ctx, d, true)
		whole = append(whole, old...)
	}
	if a.fitting(map[digest.Digest]int64{})(whole, true) == nil {
		return images, nil
	}
	held := map[digest.Digest]int64{}
	if a.old != nil {
		for d, at := range a.old.blobs {
			held[d] = at.size
		}
	}
	fit := a.fitting(held)
	var fits []layout.Entry
	for i, e := range images {
		if err := fit(parts[i], a.isNew(e)); err != nil {
			a.damaged(e.Name, err)
			continue
		}
		fits = append(fits, e)
	}
	return fits, nil
}

// entryKey orders the entries of an archive's index.
func entryKey(d ocispec.Descriptor) string { return nameOf(d) + "\x00" + string(d.Digest) }

// leaveOut removes a staged image that cannot be in the archive. Its blobs stay
// staged for the next run.
func (a *archive) leaveOut(ctx context.Context, name string, why error) error {
	a.damaged(name, why)
	return stagingError(a.staging.Untag(ctx, name))
}

// damaged notes why an image is not in the archive as it should be.
func (a *archive) damaged(name string, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leftOut[name] = why
}

// parts follows an entry of the index to all that it points to, itself first. Only
// the entry and what an index lists are read as manifests: a layer or a
// configuration leads nowhere, whatever its media type. What a sparse index lists
// may be missing, since it was left out. With lenient, anything may be missing or
// unreadable, and what is there is returned.
func (a *archive) parts(ctx context.Context, root ocispec.Descriptor, lenient bool) ([]ocispec.Descriptor, error) {
	type part struct {
		ocispec.Descriptor
		leads    bool // read it as a manifest if its media type is one
		optional bool
	}
	type key struct {
		digest digest.Digest
		size   int64
		leads  bool
	}
	sparse := root.Annotations[layout.AnnotationIndex] == layout.SparseIndex
	seen := map[key]bool{}
	var parts []ocispec.Descriptor
	for queue := []part{{root, true, false}}; len(queue) > 0; queue = queue[1:] {
		d := queue[0]
		k := key{d.Digest, d.Size, d.leads}
		if seen[k] {
			continue
		}
		seen[k] = true
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		there, err := a.holds(ctx, d.Descriptor)
		if err != nil {
			return nil, err
		}
		switch {
		case !there && (lenient || d.optional):
			continue
		case !there:
			return nil, fmt.Errorf("%s: %w", d.Digest, layout.ErrMissing)
		}
		parts = append(parts, d.Descriptor)
		if !d.leads || !manifest.IsManifest(d.MediaType) {
			continue
		}
		m, err := a.parse(ctx, d.Descriptor)
		switch {
		case err == nil:
		case isFatal(err) || !lenient:
			return nil, err
		default:
			continue
		}
		for _, child := range m.Children {
			queue = append(queue, part{child, true, sparse})
		}
		for _, blob := range m.Blobs() {
			queue = append(queue, part{Descriptor: blob})
		}
	}
	return parts, nil
}

// parse reads a manifest, staged or in the old archive.
func (a *archive) parse(ctx context.Context, d ocispec.Descriptor) (manifest.Manifest, error) {
	content, err := a.read(ctx, d)
	if err != nil {
		return manifest.Manifest{}, err
	}
	m, err := manifest.Parse(d.MediaType, content)
	if err != nil {
		return manifest.Manifest{}, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return m, nil
}

// read returns a manifest or a configuration, staged or of the old archive.
func (a *archive) read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	content, err := a.staging.Read(ctx, d)
	if errors.Is(err, layout.ErrMissing) && a.old.has(d) {
		return a.old.read(d)
	}
	return content, stagingError(err)
}

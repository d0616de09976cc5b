// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/ocitar"
)

// Finish writes the archive if anything changed. It leaves out an image that turns out to
// be damaged or incomplete, and writes the others.
func (a *archive) Finish(ctx context.Context, complete bool) (leftOut map[string]error, err error) {
	if err := a.finish(ctx); err != nil {
		return nil, fmt.Errorf("the archive cannot be written: %w; what was fetched is kept in %s", err, a.staging.Dir())
	}
	a.finished = complete && len(a.leftOut) == 0
	return a.leftOut, nil
}

// finish writes the archive. If it finds a damaged blob while writing, it removes the blob
// and writes the archive again without the images that need the blob. Each round removes
// a blob or an image without room on the disk, so that the rounds end.
func (a *archive) finish(ctx context.Context) error {
	for {
		c, err := a.contents(ctx)
		if err != nil {
			return err
		}
		if a.markWithoutRoom(ctx, c.Blobs) {
			continue
		}
		same, err := a.old.Holds(c)
		if err != nil {
			return err
		}
		if !same {
			err := a.write(ctx, c)
			if blob, ok := errors.AsType[*ocitar.BlobError](err); ok {
				if err := a.discard(blob); err != nil {
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

// write writes a new file in the staging folder, and renames it once it is on disk.
func (a *archive) write(ctx context.Context, c ocitar.Contents) error {
	f, err := a.staging.Temporary()
	if err != nil {
		return err
	}
	err = ocitar.Write(ctx, f, c, a.open)
	if err == nil { // some systems cannot replace an open file
		err = a.old.Close()
		a.old = new(ocitar.Reader)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err := disk.Install(f, a.file); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(a.file))
}

// discard removes a damaged blob from the staging folder. If the blob is not staged, it
// makes the old archive ignore the blob. A blob of the old archive that cannot be read now
// may be readable later: then discard returns the error, and the file stays.
func (a *archive) discard(bad *ocitar.BlobError) error {
	blob, _, err := a.staging.Blob(bad.Digest)
	if errors.Is(err, layout.ErrMissing) {
		if !errors.Is(bad, layout.ErrCorrupt) && !errors.Is(bad, layout.ErrMissing) {
			return fmt.Errorf("the existing file cannot be read: %w; run again, or name another file", bad)
		}
		a.old.Forget(bad.Digest)
		a.opaque = true // it may be a manifest, and what it lists stays
		return nil
	}
	if err == nil {
		_ = blob.Close() // it is removed below
	}
	return StagingError(a.staging.Delete(bad.Digest))
}

// contents returns the contents of the new archive: the staged images, and the images of
// the old archive that no staged image replaces.
//
// If a staged image is incomplete, contents leaves it out and removes it from the index of
// the staging folder. If the disk has no room for it, contents leaves it out and keeps it
// staged. An incomplete image of the old archive is kept, because another tool may have
// written it.
func (a *archive) contents(ctx context.Context) (c ocitar.Contents, err error) {
	if a.docker() {
		c.Docker = map[digest.Digest]manifest.Manifest{}
	}
	graph := graphOf(a)
	blobs := map[digest.Digest]ocispec.Descriptor{}
	add := func(d ocispec.Descriptor, anyway bool) (problem, err error) {
		parts, opaque, problem, err := a.parts(ctx, graph, d)
		if err == nil && problem == nil && a.docker() {
			var m manifest.Manifest
			if m, _, problem = a.loadable(ctx, d); problem == nil {
				c.Docker[d.Digest] = m
			} else if ctx.Err() != nil || IsFatal(problem) {
				err = problem
			}
		}
		if err == nil && (problem == nil || anyway) {
			c.Index = append(c.Index, d)
			a.opaque = a.opaque || anyway && opaque
			for _, part := range parts {
				blobs[part.Digest] = part
			}
		}
		return problem, err
	}
	newer := map[string]bool{}
	for _, e := range a.stagedWithRoom() {
		problem, err := add(e.Descriptor, false)
		if err != nil {
			return c, err
		}
		if newer[e.Name] = problem == nil; problem != nil {
			a.leftOut[e.Name] = problem
			if err := a.staging.Untag(ctx, e.Name); err != nil { // the blobs stay for the next run
				return c, StagingError(err)
			}
		}
	}
	for _, d := range a.old.Index() {
		name := ocitar.Name(d)
		if newer[name] {
			continue
		}
		problem, err := add(d, true)
		if err != nil {
			return c, err
		}
		if problem != nil {
			a.leftOut[name] = problem
		}
	}
	for _, i := range a.old.Invalid() {
		if !newer[i.Name] {
			c.Invalid = append(c.Invalid, i)
		}
	}
	if len(c.Invalid) > 0 || a.opaque { // the blobs that such an entry needs are unknown
		for d, size := range a.old.Sizes() {
			if _, known := blobs[d]; !known {
				blobs[d] = ocispec.Descriptor{Digest: d, Size: size}
			}
		}
	}
	slices.SortStableFunc(c.Index, func(x, y ocispec.Descriptor) int {
		return cmp.Or(strings.Compare(ocitar.Name(x), ocitar.Name(y)), cmp.Compare(x.Digest, y.Digest))
	})
	c.Blobs = slices.SortedFunc(maps.Values(blobs), func(x, y ocispec.Descriptor) int { return cmp.Compare(x.Digest, y.Digest) })
	return c, nil
}

// stagedWithRoom returns the staged images that the disk has room for.
func (a *archive) stagedWithRoom() []layout.Entry {
	return slices.DeleteFunc(a.staging.Images(), func(e layout.Entry) bool {
		err := a.noRoom[e.Name]
		if err != nil {
			a.leftOut[e.Name] = err
		}
		return err != nil
	})
}

// markWithoutRoom reports whether the disk has no room for a tar of these blobs. It marks
// the staged images that do not fit beside the old archive and the images before them.
func (a *archive) markWithoutRoom(ctx context.Context, blobs []ocispec.Descriptor) (marked bool) {
	exact := newRoom(a.staging, nil, true)
	if _, err := exact.Fits(exact.Cost(staged(blobs))); err == nil {
		return false
	}
	room := newRoom(a.staging, a.old.Sizes(), true)
	for _, e := range a.stagedWithRoom() {
		parts, _, _, _ := a.parts(ctx, graphOf(a), e.Descriptor)
		if err := a.fit(room, e, parts); err != nil {
			a.noRoom[e.Name] = err
			marked = true
		}
	}
	return marked
}

// parts returns the blobs and manifests that an entry of the index refers to and that
// exist. opaque reports whether a manifest is unreadable or of an unknown type, so that its
// blobs are unknown. problem names the first that is missing or unreadable. Manifests that
// a sparse index lists may be missing, because they were left out on purpose.
func (a *archive) parts(ctx context.Context, graph *manifest.Graph, root ocispec.Descriptor) (parts []ocispec.Descriptor, opaque bool, problem, err error) {
	sparse := root.Annotations[layout.AnnotationIndex] == layout.SparseIndex
	err = graph.Walk(ctx, root, func(n *manifest.Node) error {
		if n.External {
			return nil
		}
		there, err := a.hasBlob(ctx, n.Descriptor)
		switch {
		case err == nil && there:
			parts = append(parts, n.Descriptor)
			opaque = opaque || n.Err != nil
			if err = n.Err; errors.Is(err, manifest.ErrUnsupported) {
				err = nil
			}
		case err == nil && !(sparse && n.Role == manifest.Child):
			err = layout.ErrMissing
		}
		if IsFatal(err) || ctx.Err() != nil {
			return err
		}
		if err != nil && problem == nil {
			problem = fmt.Errorf("%s: %w", n.Digest, err)
		}
		return nil
	}, nil)
	return parts, opaque, problem, err
}

// parse reads a manifest that is staged or in the old archive.
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

// read returns a manifest or a configuration that is staged or in the old archive.
func (a *archive) read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	content, err := a.staging.Read(ctx, d)
	if errors.Is(err, layout.ErrMissing) && a.old.Has(d) {
		return a.old.Read(d)
	}
	return content, StagingError(err)
}

// open opens a blob that is staged or in the old archive.
func (a *archive) open(d digest.Digest) (io.ReadCloser, error) {
	staged, _, err := a.staging.Blob(d)
	if errors.Is(err, layout.ErrMissing) {
		old, _, err := a.old.Blob(d)
		return io.NopCloser(old), err
	}
	return staged, StagingError(err)
}

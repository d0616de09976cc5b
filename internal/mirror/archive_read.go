// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/manifest"
)

const (
	// maxArchiveEntries bounds the entries of a tar that are looked at: 300
	// images have some 10,000.
	maxArchiveEntries = 1 << 20
	// maxArchiveIndex bounds index.json, in bytes: some 100,000 images.
	maxArchiveIndex = 64 << 20
	// dockerFile is the file that makes a tar one for docker load.
	dockerFile = "manifest.json"
	// imageName is how containerd, and docker with it, calls an image of an
	// index; ocispec.AnnotationRefName is how OCI does.
	imageName = "io.containerd.image.name"
)

// A tarball is an image archive that is there already. It is only read, each
// blob where it lies: nothing is unpacked, and no name in it becomes a path.
// Safe for concurrent use.
type tarball struct {
	file   io.Closer
	at     io.ReaderAt
	blobs  map[digest.Digest]section
	index  []ocispec.Descriptor
	names  map[string]ocispec.Descriptor // those of index that have one
	docker bool                          // has a manifest.json
}

// A section is where a file's content lies in a tar, in bytes.
type section struct{ offset, size int64 }

// openTarball opens the archive at file, or returns nil when nothing is there.
// A file that is no OCI layout in a tar is an error.
func openTarball(file string) (*tarball, error) {
	f, info, err := disk.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := readTarball(f, info.Size())
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	t.file = f
	return t, nil
}

// tarSource is what a tar is read from. archive/tar seeks over contents, so
// that only headers are read.
type tarSource interface {
	io.ReadSeeker
	io.ReaderAt
}

// readTarball finds out what a tar of size bytes holds.
func readTarball(r tarSource, size int64) (*tarball, error) {
	t := &tarball{at: r, blobs: map[digest.Digest]section{}, names: map[string]ocispec.Descriptor{}}
	var isLayout bool
	var index *section
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no whole tar: %w", err)
		}
		if n == maxArchiveEntries {
			return nil, fmt.Errorf("it has more than %d entries", maxArchiveEntries)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		offset, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if h.Size > size-offset {
			return nil, fmt.Errorf("it ends within %.100q", h.Name)
		}
		at := section{offset, h.Size}
		switch name := path.Clean(h.Name); name {
		case ocispec.ImageLayoutFile:
			isLayout = true
		case ocispec.ImageIndexFile:
			index = &at
		case dockerFile:
			t.docker = true
		default:
			if d, ok := blobDigest(name); ok {
				t.blobs[d] = at
			}
		}
	}
	if !isLayout || index == nil {
		return nil, errors.New("it is a tar without an image layout in it")
	}
	return t, t.readIndex(*index)
}

// readIndex reads index.json.
func (t *tarball) readIndex(at section) error {
	if at.size > maxArchiveIndex {
		return fmt.Errorf("it has an index.json of %d bytes, and %d is the limit", at.size, maxArchiveIndex)
	}
	content := make([]byte, at.size)
	if _, err := t.at.ReadAt(content, at.offset); err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(content, &index); err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	for _, d := range index.Manifests {
		if err := manifest.Check(d); err != nil {
			return fmt.Errorf("index.json: %w", err)
		}
		if name := nameOf(d); name != "" {
			t.names[name] = d
		}
	}
	t.index = index.Manifests
	return nil
}

// blobDigest reads the name of a blob's file, blobs/ALGORITHM/HEX.
func blobDigest(name string) (digest.Digest, bool) {
	algorithm, hex, ok := strings.Cut(strings.TrimPrefix(name, ocispec.ImageBlobsDir+"/"), "/")
	d := digest.Digest(algorithm + ":" + hex)
	return d, ok && d.Validate() == nil && blobName(d) == name
}

// blobName is the name of a blob's file in a layout and in a tar of one.
func blobName(d digest.Digest) string {
	return path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// nameOf returns the name of an index entry, "" when it has none.
func nameOf(d ocispec.Descriptor) string {
	if name := d.Annotations[imageName]; name != "" {
		return name
	}
	return d.Annotations[ocispec.AnnotationRefName]
}

// image returns the entry of a name.
func (t *tarball) image(name string) (ocispec.Descriptor, bool) {
	if t == nil {
		return ocispec.Descriptor{}, false
	}
	d, ok := t.names[name]
	return d, ok
}

// entries returns all that the index lists.
func (t *tarball) entries() []ocispec.Descriptor {
	if t == nil {
		return nil
	}
	return t.index
}

// has tells whether the blob is there by its size.
func (t *tarball) has(d ocispec.Descriptor) bool {
	if t == nil {
		return false
	}
	at, ok := t.blobs[d.Digest]
	return ok && at.size == d.Size
}

// open opens a blob that it has.
func (t *tarball) open(d digest.Digest) io.Reader {
	at := t.blobs[d]
	return io.NewSectionReader(t.at, at.offset, at.size)
}

// read returns a manifest, checked against its descriptor.
func (t *tarball) read(d ocispec.Descriptor) ([]byte, error) {
	if d.Size > manifest.MaxSize {
		return nil, fmt.Errorf("%s has %d bytes, and %d is the limit of a manifest", d.Digest, d.Size, manifest.MaxSize)
	}
	content, err := io.ReadAll(t.open(d.Digest))
	if err != nil {
		return nil, err
	}
	if d.Digest.Algorithm().FromBytes(content) != d.Digest {
		return nil, fmt.Errorf("%s: content does not match the digest", d.Digest)
	}
	return content, nil
}

// sound hashes a blob that it has.
func (t *tarball) sound(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	v := d.Digest.Verifier()
	if _, err := io.Copy(v, &interruptible{ctx, t.open(d.Digest)}); err != nil {
		return false, err
	}
	return v.Verified(), nil
}

// Close closes the file.
func (t *tarball) Close() error {
	if t == nil || t.file == nil {
		return nil
	}
	return t.file.Close()
}

// interruptible is a reader that a context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (p *interruptible) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ocitar reads and writes OCI image layouts in tar files, with or without
// the manifest.json that docker load needs. It also checks whether docker loads an
// image.
//
// A Reader reads each blob at its offset in the file: it unpacks nothing, and no name in
// the tar becomes a path. Write writes a whole archive in one pass. The same contents
// produce the same bytes on every machine and at any time.
//
// An archive may be hostile. Therefore the number of entries and the memory are bounded,
// and content is compared with its digest before use. Package mirror decides where images
// come from and go to.
package ocitar

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

const (
	maxEntries = 1 << 20  // in a tar: 300 images have about 10,000
	maxIndex   = 64 << 20 // bytes of index.json: about 100,000 images
	maxVersion = 64 << 10 // bytes of oci-layout

	// dockerFile lists the images that docker load reads.
	dockerFile = "manifest.json"
)

// A Reader is an archive that is open for reading. The zero value is an empty archive. Safe for concurrent use, except Forget and Close.
type Reader struct {
	file   io.Closer
	at     io.ReaderAt
	files  map[string]section // all files but blobs
	blobs  map[digest.Digest]section
	index  []ocispec.Descriptor
	images map[string]ocispec.Descriptor // entries of index that have a name
	// invalid are the entries of index.json that are not valid descriptors.
	invalid []Invalid
}

// A section is the position of a file's content in the tar, in bytes.
type section struct{ offset, size int64 }

// Open opens the archive in a file. The error is fs.ErrNotExist if the file does not
// exist. A file that is not an OCI layout in a tar is an error. The caller closes the
// Reader.
func Open(name string) (*Reader, error) {
	f, info, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// NewReader reads the headers and the index of an archive of size bytes. It returns an
// error if a name leads out of the archive, if a file of the layout occurs twice or is
// not a regular file, or if the tar is truncated.
func NewReader(at io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{at: at, files: map[string]section{}, blobs: map[digest.Digest]section{}, images: map[string]ocispec.Descriptor{}}
	whole := io.NewSectionReader(at, 0, size)
	tr := tar.NewReader(whole) // skips contents by seeking
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not a complete tar file: %w", err)
		}
		if n == maxEntries {
			return nil, fmt.Errorf("the tar has more than %d entries", maxEntries)
		}
		offset, err := whole.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if err := r.add(h, section{offset, h.Size}, size); err != nil {
			return nil, err
		}
	}
	return r, r.readIndex()
}

// add adds an entry of the tar.
func (r *Reader) add(h *tar.Header, at section, size int64) error {
	if path.IsAbs(h.Name) || slices.Contains(strings.Split(h.Name, "/"), "..") {
		return fmt.Errorf("entry %.100q leads out of the tar", h.Name)
	}
	name := path.Clean(h.Name)
	d, isBlob := blobDigest(name)
	if !isBlob && name != ocispec.ImageLayoutFile && name != ocispec.ImageIndexFile && name != dockerFile {
		return nil // not a file of the layout
	}
	if h.Typeflag != tar.TypeReg || isSparse(h) {
		return fmt.Errorf("entry %.100q is a link, a sparse file or a special file, not a regular file", h.Name)
	}
	if at.size > size-at.offset {
		return fmt.Errorf("the tar ends within %.100q", h.Name)
	}
	if isBlob {
		if before, twice := r.blobs[d]; twice && before.size != at.size {
			return fmt.Errorf("entry %.100q is there twice, with %d and %d bytes", h.Name, before.size, at.size)
		}
		r.blobs[d] = at
		return nil
	}
	if _, twice := r.files[name]; twice {
		return fmt.Errorf("entry %.100q is there twice", h.Name)
	}
	r.files[name] = at
	return nil
}

// isSparse reports whether a regular file is stored without its holes, so that its bytes
// in the tar are not its content.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// readIndex reads oci-layout and index.json.
func (r *Reader) readIndex() error {
	var version ocispec.ImageLayout
	if err := r.readJSON(ocispec.ImageLayoutFile, maxVersion, &version); err != nil {
		return err
	}
	if version.Version != ocispec.ImageLayoutVersion {
		return fmt.Errorf("%s has version %.20q, and only %s is supported", ocispec.ImageLayoutFile, version.Version, ocispec.ImageLayoutVersion)
	}
	var index struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := r.readJSON(ocispec.ImageIndexFile, maxIndex, &index); err != nil {
		return err
	}
	for _, raw := range index.Manifests {
		d, err := manifest.ParseEntry(raw)
		if err != nil {
			r.invalid = append(r.invalid, Invalid{Name(d), raw})
			continue
		}
		r.index = append(r.index, d)
		if name := Name(d); name != "" {
			r.images[name] = d
		}
	}
	return nil
}

// readJSON reads a file of limit bytes at most.
func (r *Reader) readJSON(name string, limit int64, v any) error {
	at, ok := r.files[name]
	if !ok {
		return fmt.Errorf("the tar has no %s: it is not an OCI image layout", name)
	}
	if at.size > limit {
		return fmt.Errorf("%s has %d bytes; the limit is %d", name, at.size, limit)
	}
	content, err := io.ReadAll(io.NewSectionReader(r.at, at.offset, at.size))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("%s: %w", name, manifest.JSONError(err))
	}
	return nil
}

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// An Invalid is an entry of index.json that is not a valid descriptor. It affects no other
// entry. A new archive contains it unchanged.
type Invalid struct {
	Name string // "" if the entry has no name
	Raw  json.RawMessage
}

// Invalid returns the invalid entries of index.json.
func (r *Reader) Invalid() []Invalid { return r.invalid }

// Index returns the valid entries of index.json. The caller must not change them.
func (r *Reader) Index() []ocispec.Descriptor { return r.index }

// Image returns the entry with a name, the last one if several have the name.
func (r *Reader) Image(name string) (ocispec.Descriptor, bool) {
	d, ok := r.images[name]
	return d, ok
}

// Loadable reports whether the archive has the manifest.json that docker load needs.
func (r *Reader) Loadable() bool {
	_, ok := r.files[dockerFile]
	return ok
}

// Sizes returns the size of each blob, in bytes.
func (r *Reader) Sizes() map[digest.Digest]int64 {
	sizes := map[digest.Digest]int64{}
	for d, at := range r.blobs {
		sizes[d] = at.size
	}
	return sizes
}

// Has reports whether the archive has a blob of this digest and size. It does not check
// the content: see Verify.
func (r *Reader) Has(d ocispec.Descriptor) bool {
	at, ok := r.blobs[d.Digest]
	return ok && at.size == d.Size
}

// Blob opens a blob and returns its size in bytes. The content is not verified. The error
// is layout.ErrMissing.
func (r *Reader) Blob(d digest.Digest) (io.ReadSeeker, int64, error) {
	at, ok := r.blobs[d]
	if !ok {
		return nil, 0, layout.ErrMissing
	}
	return io.NewSectionReader(r.at, at.offset, at.size), at.size, nil
}

// Read returns the whole content of a small blob (a manifest, a configuration), of
// manifest.MaxSize bytes at most, checked against the descriptor. The error is
// layout.ErrMissing or layout.ErrCorrupt.
func (r *Reader) Read(d ocispec.Descriptor) ([]byte, error) {
	blob, size, err := r.Blob(d.Digest)
	switch {
	case err != nil:
		return nil, err
	case size != d.Size:
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", layout.ErrCorrupt, d.Digest, size, d.Size)
	case size > manifest.MaxSize:
		return nil, fmt.Errorf("%w: %s has %d bytes; the limit is %d", layout.ErrCorrupt, d.Digest, size, manifest.MaxSize)
	}
	content, err := io.ReadAll(blob)
	if err != nil {
		return nil, err
	}
	if d.Digest.Algorithm().FromBytes(content) != d.Digest {
		return nil, fmt.Errorf("%w: %s", layout.ErrCorrupt, d.Digest)
	}
	return content, nil
}

// Verify hashes a blob. The error is layout.ErrMissing or layout.ErrCorrupt.
func (r *Reader) Verify(ctx context.Context, d digest.Digest) error {
	blob, _, err := r.Blob(d)
	if err != nil {
		return err
	}
	v := d.Verifier()
	if _, err := io.Copy(v, &source{ctx: ctx, r: blob}); err != nil {
		return err
	}
	if !v.Verified() {
		return fmt.Errorf("%w: %s", layout.ErrCorrupt, d)
	}
	return nil
}

// Forget makes the Reader ignore a blob: later calls report it as missing.
func (r *Reader) Forget(d digest.Digest) { delete(r.blobs, d) }

// Name returns the name of an index entry, or "".
func Name(d ocispec.Descriptor) string {
	if name := d.Annotations[manifest.AnnotationContainerdName]; name != "" {
		return name
	}
	return d.Annotations[ocispec.AnnotationRefName]
}

// blobDigest parses the name of a blob's file, blobs/ALGORITHM/HEX.
func blobDigest(name string) (digest.Digest, bool) {
	algorithm, hex, ok := strings.Cut(strings.TrimPrefix(name, ocispec.ImageBlobsDir+"/"), "/")
	d := digest.Digest(algorithm + ":" + hex)
	return d, ok && d.Validate() == nil && blobName(d) == name
}

// blobName returns the name of a blob's file in a layout.
func blobName(d digest.Digest) string {
	return path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// A source reads until its context ends. It records the error of the underlying reader,
// which its users may hide.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

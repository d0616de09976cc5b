// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ocitar

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// Contents are the contents of an archive, in the order of writing.
type Contents struct {
	Index   []ocispec.Descriptor // entries of index.json
	Invalid []Invalid            // invalid entries of an old archive, to be kept unchanged
	Blobs   []ocispec.Descriptor // unique
	// Docker has the manifest of each image for docker load, by the digest of the
	// image's entry in Index. If it is nil, no manifest.json is written.
	Docker map[digest.Digest]manifest.Manifest
}

// A BlobError names a blob that could not be read, or does not match its digest.
type BlobError struct {
	Digest digest.Digest
	Err    error
}

// Error returns the digest and the cause.
func (e *BlobError) Error() string { return fmt.Sprintf("blob %s: %v", e.Digest, e.Err) }

// Unwrap returns the cause.
func (e *BlobError) Unwrap() error { return e.Err }

// Holds reports whether the archive has the same index as c and all of its blobs.
func (r *Reader) Holds(c Contents) (bool, error) {
	before, err := encodeIndex(r.index, r.invalid)
	if err != nil {
		return false, err
	}
	now, err := encodeIndex(c.Index, c.Invalid)
	lacks := slices.ContainsFunc(c.Blobs, func(d ocispec.Descriptor) bool { return !r.Has(d) })
	return !lacks && bytes.Equal(before, now), err
}

// Write writes an archive. open returns the content of a blob, which is verified
// while it is written. The error is a *BlobError if a blob is at fault, and otherwise an
// error of w or of the context. After an error the archive is incomplete.
func Write(ctx context.Context, w io.Writer, c Contents, open func(digest.Digest) (io.ReadCloser, error)) error {
	index, err := encodeIndex(c.Index, c.Invalid)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	tw := tar.NewWriter(buffered)
	err = errors.Join(
		writeFile(tw, ocispec.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+ocispec.ImageLayoutVersion+`"}`)),
		writeFile(tw, ocispec.ImageIndexFile, index))
	if c.Docker != nil {
		text, encodeErr := json.Marshal(dockerImages(c))
		err = errors.Join(err, encodeErr, writeFile(tw, dockerFile, text))
	}
	if err != nil {
		return err
	}
	// Folders have entries, because some programs create a folder without an entry
	// without permission to enter it.
	folders := []string{ocispec.ImageBlobsDir}
	for _, d := range c.Blobs {
		if dir := path.Dir(blobName(d.Digest)); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	for _, dir := range folders {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	for _, d := range c.Blobs {
		if err := writeBlob(ctx, tw, d, open); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), buffered.Flush())
}

func encodeIndex(entries []ocispec.Descriptor, invalid []Invalid) ([]byte, error) {
	index := struct {
		specs.Versioned
		MediaType string `json:"mediaType"`
		Manifests []any  `json:"manifests"`
	}{specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageIndex, []any{}}
	for _, i := range invalid {
		index.Manifests = append(index.Manifests, i.Raw)
	}
	for _, d := range entries {
		index.Manifests = append(index.Manifests, d)
	}
	return json.Marshal(index)
}

func fileHeader(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}
}

func writeFile(tw *tar.Writer, name string, content []byte) error {
	if err := tw.WriteHeader(fileHeader(name, int64(len(content)))); err != nil {
		return err
	}
	_, err := tw.Write(content)
	return err
}

// writeBlob copies a blob and verifies its digest.
func writeBlob(ctx context.Context, tw *tar.Writer, d ocispec.Descriptor, open func(digest.Digest) (io.ReadCloser, error)) error {
	blob, err := open(d.Digest)
	if errors.Is(err, layout.ErrMissing) || errors.Is(err, layout.ErrUnreadable) {
		return &BlobError{d.Digest, err}
	}
	if err != nil {
		return err
	}
	defer blob.Close()
	if err := tw.WriteHeader(fileHeader(blobName(d.Digest), d.Size)); err != nil {
		return err
	}
	v := d.Digest.Verifier()
	from := &source{ctx: ctx, r: io.LimitReader(blob, d.Size)}
	_, err = io.Copy(io.MultiWriter(tw, v), from)
	switch {
	case from.err != nil:
		return &BlobError{d.Digest, from.err}
	case err != nil:
		return err
	case !v.Verified():
		return &BlobError{d.Digest, layout.ErrCorrupt}
	}
	return nil
}

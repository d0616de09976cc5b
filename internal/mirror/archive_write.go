// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/layout"
)

// marshalIndex writes index.json.
func marshalIndex(entries []ocispec.Descriptor) ([]byte, error) {
	if entries == nil {
		entries = []ocispec.Descriptor{}
	}
	return json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: entries,
	})
}

// write makes the file anew, in the staging folder, and renames it when all of it is on disk.
func (a *archive) write(ctx context.Context, c contents, index []byte) error {
	small := []smallFile{
		{ocispec.ImageLayoutFile, []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`)},
		{ocispec.ImageIndexFile, index},
	}
	if a.docker() {
		text, err := json.Marshal(c.docker)
		if err != nil {
			return err
		}
		small = append(small, smallFile{dockerFile, text})
	}
	f, err := a.staging.Temporary()
	if err != nil {
		return err
	}
	err = a.writeTar(ctx, f, small, c.parts)
	if err == nil { // a file that is open cannot be replaced everywhere
		old := a.old
		a.old = nil
		err = old.Close()
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err := disk.Install(f, a.file); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(a.file))
}

// A smallFile is one whose content is at hand.
type smallFile struct {
	name    string
	content []byte
}

// writeTar writes a layout. Nothing in it depends on when or where it is made.
func (a *archive) writeTar(ctx context.Context, w io.Writer, small []smallFile, parts []ocispec.Descriptor) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	tw := tar.NewWriter(buffered)
	for _, s := range small {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: s.name, Mode: 0o644, Size: int64(len(s.content))}); err != nil {
			return err
		}
		if _, err := tw.Write(s.content); err != nil {
			return err
		}
	}
	// Folders have entries: some who unpack make missing ones that they cannot enter.
	folders := []string{ocispec.ImageBlobsDir}
	for _, d := range parts {
		if dir := path.Dir(blobName(d.Digest)); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	for _, dir := range folders {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	for _, d := range parts {
		if err := a.writeBlob(ctx, tw, d); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), buffered.Flush())
}

// writeBlob copies a blob, staged or from the old archive, and hashes it once more.
func (a *archive) writeBlob(ctx context.Context, tw *tar.Writer, d ocispec.Descriptor) error {
	var from io.Reader
	blob, size, err := a.staging.Blob(d.Digest)
	switch {
	case err == nil:
		defer blob.Close()
		from = blob
	case errors.Is(err, layout.ErrMissing) && a.old.has(d):
		from, size = a.old.open(d.Digest), d.Size
	case errors.Is(err, layout.ErrUnreadable):
		return &damagedError{d.Digest, true}
	default:
		return err
	}
	if size != d.Size {
		return fmt.Errorf("%s has %d bytes in %s, not %d", d.Digest, size, a.staging.Dir(), d.Size)
	}
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: blobName(d.Digest), Mode: 0o644, Size: d.Size}); err != nil {
		return err
	}
	v := d.Digest.Verifier()
	reader := &watched{r: from}
	_, err = io.Copy(io.MultiWriter(tw, v), &interruptible{ctx, reader})
	if err != nil && reader.err == nil {
		return err
	}
	if !v.Verified() {
		return &damagedError{d.Digest, blob != nil}
	}
	return nil
}

// A damagedError names a blob that does not fit its digest any more.
type damagedError struct {
	blob   digest.Digest
	staged bool // else it is of the old archive
}

func (e *damagedError) Error() string {
	if e.staged {
		return fmt.Sprintf("staged blob %s was damaged since it came", e.blob)
	}
	return fmt.Sprintf("blob %s of the archive that is there is damaged", e.blob)
}

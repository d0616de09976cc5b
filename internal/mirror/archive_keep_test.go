// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/quay/quaytest"
)

// blobFile returns the name of a blob in an archive.
func blobFile(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }

// An entry of another tool whose manifest quayside cannot read keeps all that it may
// need when images are added.
func TestArchiveKeepsWhatItCannotRead(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	layer := f.add(ocispec.MediaTypeImageLayer, []byte("of another tool"))
	for _, mediaType := range []string{"application/vnd.oci.artifact.manifest.v1+json", ocispec.MediaTypeImageManifest} {
		t.Run(mediaType, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "all.tar")
			theirs := []byte(fmt.Sprintf(`{"mediaType":%q,"blobs":[{"digest":%q,"size":%d}]}`, mediaType, layer.Digest, layer.Size))
			entry := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(theirs), Size: int64(len(theirs))}
			index, err := json.Marshal(ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{entry}})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for name, content := range map[string][]byte{
				"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": index,
				blobFile(entry.Digest): theirs, blobFile(layer.Digest): f.content[layer.Digest],
			} {
				if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(content); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Close(), os.WriteFile(file, b.Bytes(), 0o644)); err != nil {
				t.Fatal(err)
			}
			addImage(t, f, file)
			files := unpack(t, file)
			for _, d := range []ocispec.Descriptor{entry, layer} {
				if files[blobFile(d.Digest)] == nil {
					t.Errorf("%s is gone", d.MediaType)
				}
			}
		})
	}
}

// A damaged manifest of the old archive is dropped. What it lists stays.
func TestArchiveKeepsLayersOfDamagedManifest(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	image := f.named("glance-api")
	f.run(opened(t, destination.OCIArchive, file), image)
	damaged := read(t, file)
	damaged[bytes.Index(damaged, f.content[image.Digest])+2] ^= 1
	if err := os.WriteFile(file, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	addImage(t, f, file)
	files := unpack(t, file)
	for _, d := range f.staged(image).Blobs {
		if files[blobFile(d.Digest)] == nil {
			t.Errorf("%s is gone", d.Digest)
		}
	}
	if n := f.run(opened(t, destination.OCIArchive, file), image); n != 0 {
		t.Errorf("%d bytes were fetched again", n)
	}
}

// addImage adds a small image to an archive.
func addImage(t *testing.T, f *imageSet, file string) {
	t.Helper()
	to := opened(t, destination.OCIArchive, file)
	small := f.image(f.images[0], f.add(ocispec.MediaTypeImageConfig, []byte(`{}`)))
	_, err := f.copyImage(t.Context(), to, f.staged(small))
	if err == nil {
		_, err = to.Finish(t.Context(), true)
	}
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	if there := indexed(t, unpack(t, file))[small.Reference()]; there != small.Digest {
		t.Errorf("the image that was added is %q", there)
	}
}

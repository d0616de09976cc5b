// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// An imageSet has the images of a dataset of the embedded Quay in memory.
type imageSet struct {
	t         *testing.T
	manifests map[digest.Digest]ocispec.Descriptor
	content   map[digest.Digest][]byte
	images    []mirror.Image
}

// newImageSet returns the images of a tag of the sample organization.
func newImageSet(t *testing.T, tag string) *imageSet {
	t.Helper()
	data := quaytest.SampleDataset()
	f := &imageSet{t: t, manifests: map[digest.Digest]ocispec.Descriptor{}, content: map[digest.Digest][]byte{}}
	for _, m := range data.Manifests {
		f.add(m.MediaType, []byte(m.Content))
	}
	for _, b := range data.Blobs {
		if b.Data != nil {
			f.content[digest.Digest(b.Digest)] = b.Data
		}
	}
	for _, r := range data.Repositories {
		for _, at := range r.Tags {
			if at.Name == tag && at.End.IsZero() {
				f.images = append(f.images, mirror.Image{
					Host: "quay.example", Repository: r.Namespace + "/" + r.Name, Tag: tag, Digest: digest.Digest(at.Digest),
				})
			}
		}
	}
	if len(f.images) < 20 {
		t.Fatalf("the sample has %d images", len(f.images))
	}
	return f
}

// add adds a manifest or, with any other media type, a blob.
func (f *imageSet) add(mediaType string, content []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	f.content[d.Digest] = content
	if manifest.IsManifest(mediaType) {
		f.manifests[d.Digest] = d
	}
	return d
}

// image makes an image with these blobs and adds it under a name.
func (f *imageSet) image(i mirror.Image, config ocispec.Descriptor, layers ...ocispec.Descriptor) mirror.Image {
	f.t.Helper()
	content, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: layers,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	i.Digest = f.add(ocispec.MediaTypeImageManifest, content).Digest
	return i
}

// named returns the image of a repository of the sample.
func (f *imageSet) named(name string) mirror.Image {
	f.t.Helper()
	for _, i := range f.images {
		if i.Repository == quaytest.SampleOrganization+"/"+name {
			return i
		}
	}
	f.t.Fatalf("no image of %s", name)
	return mirror.Image{}
}

// plain returns the images that are not indexes.
func (f *imageSet) plain() []mirror.Image {
	return slices.DeleteFunc(slices.Clone(f.images), func(i mirror.Image) bool {
		return manifest.IsIndex(f.manifests[i.Digest].MediaType)
	})
}

// staged returns the manifests and blobs of an image. With only, an index has just the
// images of these architectures.
func (f *imageSet) staged(i mirror.Image, only ...string) destination.Staged {
	f.t.Helper()
	s := destination.Staged{Image: i, Root: f.manifests[i.Digest]}
	var walk func(d ocispec.Descriptor)
	walk = func(d ocispec.Descriptor) {
		m, err := manifest.Parse(d.MediaType, f.content[d.Digest])
		if err != nil {
			f.t.Fatal(err)
		}
		for _, child := range m.Children {
			if len(only) == 0 || slices.Contains(only, child.Platform.Architecture) {
				walk(child)
			}
		}
		for _, b := range m.Blobs() {
			if !slices.ContainsFunc(s.Blobs, func(d ocispec.Descriptor) bool { return d.Digest == b.Digest }) {
				s.Blobs = append(s.Blobs, b)
			}
		}
		s.Manifests = append(s.Manifests, d)
	}
	walk(s.Root)
	return s
}

// parsed returns the manifests of an image.
func (f *imageSet) parsed(s destination.Staged) map[digest.Digest]manifest.Manifest {
	f.t.Helper()
	all := map[digest.Digest]manifest.Manifest{}
	for _, d := range s.Manifests {
		m, err := manifest.Parse(d.MediaType, f.content[d.Digest])
		if err != nil {
			f.t.Fatal(err)
		}
		all[d.Digest] = m
	}
	return all
}

// copyImage copies an image as a Copier does. It returns how many bytes of blobs were
// fetched: 0 if the image was there.
func (f *imageSet) copyImage(ctx context.Context, to destination.Destination, s destination.Staged) (fetched int64, err error) {
	there, err := has(ctx, to, s.Image)
	if there || err != nil {
		return 0, err
	}
	if err := to.Prepare(ctx, s.Image, false); err != nil {
		return 0, err
	}
	parts := []destination.Referrer{{Manifests: s.Manifests, Blobs: s.Blobs}}
	for _, part := range append(parts, s.Referrers...) {
		for _, d := range part.Manifests {
			if err := to.Staging().Put(ctx, d, f.content[d.Digest]); err != nil {
				return 0, err
			}
		}
		for _, d := range part.Blobs {
			wanted, err := to.NeedsBlob(ctx, s.Image, d)
			if err != nil {
				return fetched, err
			}
			if wanted {
				n, err := f.fetch(ctx, to, s, d)
				if fetched += n; err != nil {
					return fetched, err
				}
			}
		}
	}
	err = to.Commit(ctx, s)
	if missing := (*destination.MissingError)(nil); errors.As(err, &missing) {
		for _, d := range missing.Blobs {
			n, err := f.fetch(ctx, to, s, d)
			if fetched += n; err != nil {
				return fetched, err
			}
		}
		err = to.Commit(ctx, s)
	}
	return fetched, err
}

func (f *imageSet) fetch(ctx context.Context, to destination.Destination, s destination.Staged, d ocispec.Descriptor) (int64, error) {
	staged, err := to.Staging().Has(ctx, d)
	if err != nil {
		return 0, err
	}
	var n int64
	if !staged {
		if err := to.Staging().Put(ctx, d, f.content[d.Digest]); err != nil {
			return 0, err
		}
		n = d.Size
	}
	return n, to.PutBlob(ctx, s.Image, d)
}

// run copies images to a destination, finishes and closes it.
func (f *imageSet) run(to destination.Destination, images ...mirror.Image) (fetched int64) {
	f.t.Helper()
	var all []destination.Staged
	for _, i := range images {
		all = append(all, f.staged(i))
	}
	return f.runStaged(to, all...)
}

// runStaged does the same with images some of whose platforms were chosen.
func (f *imageSet) runStaged(to destination.Destination, images ...destination.Staged) (fetched int64) {
	f.t.Helper()
	for _, s := range images {
		n, err := f.copyImage(f.t.Context(), to, s)
		if err != nil {
			f.t.Fatalf("%s: %v", s.Reference(), err)
		}
		fetched += n
	}
	if err := errors.Join(finish(f.t.Context(), to), to.Close()); err != nil {
		f.t.Fatal(err)
	}
	return fetched
}

// has asks a destination for an image by its digest.
func has(ctx context.Context, to destination.Destination, i mirror.Image) (bool, error) {
	f, err := to.Has(ctx, destination.Staged{Image: i, Root: ocispec.Descriptor{Digest: i.Digest}})
	return f.Present, err
}

// finish finishes a run in which no image failed.
func finish(ctx context.Context, to destination.Destination) error {
	_, err := to.Finish(ctx, true)
	return err
}

// toDockerArchive makes an archive for any operating system.
func toDockerArchive(file string, o layout.Options) (destination.Destination, error) {
	return destination.DockerArchive(file, o, "")
}

// An opener is ToOCIArchive or toDockerArchive.
type opener = func(string, layout.Options) (destination.Destination, error)

// opened returns a destination whose opening must not fail.
func opened(t *testing.T, open opener, file string) destination.Destination {
	t.Helper()
	to, err := open(file, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// unpack reads a tar and compares each blob in it with its name.
func unpack(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
		if hex, ok := strings.CutPrefix(h.Name, "blobs/sha256/"); ok && digest.FromBytes(files[h.Name]).Encoded() != hex {
			t.Errorf("%s has another content", h.Name)
		}
	}
}

// without returns a tar without the entries whose names have this ending.
func without(t *testing.T, whole []byte, ending string) []byte {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for tr := tar.NewReader(bytes.NewReader(whole)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, ending) {
			continue
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(tw, tr); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// indexed reads the names and digests of an archive's index.
func indexed(t *testing.T, files map[string][]byte) map[string]digest.Digest {
	t.Helper()
	var index ocispec.Index
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	names := map[string]digest.Digest{}
	for _, d := range index.Manifests {
		name := d.Annotations["org.opencontainers.image.ref.name"]
		if name != d.Annotations["io.containerd.image.name"] {
			t.Errorf("%s has two names", name)
		}
		names[name] = d.Digest
	}
	return names
}

func wanted(images ...mirror.Image) map[string]digest.Digest {
	names := map[string]digest.Digest{}
	for _, i := range images {
		names[i.Reference()] = i.Digest
	}
	return names
}

func gone(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", filepath.Base(name), err)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

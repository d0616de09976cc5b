// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestOCIArchiveIsALayoutOfAllImages(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	f.run(opened(t, destination.OCIArchive, file), f.images...)
	files := unpack(t, file)
	if diff := cmp.Diff(wanted(f.images...), indexed(t, files)); diff != "" {
		t.Errorf("index is not that of the images (-want +got):\n%s", diff)
	}
	if got := string(files["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	for _, i := range f.images {
		s := f.staged(i)
		for _, d := range append(s.Manifests, s.Blobs...) {
			if _, ok := files["blobs/sha256/"+d.Digest.Encoded()]; !ok {
				t.Errorf("%s has no %s", i.Reference(), d.Digest)
			}
		}
	}
	gone(t, file+".quayside")
}

func TestArchivesOfTheSameImagesAreTheSame(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	for name, open := range map[string]opener{"oci": destination.OCIArchive, "docker": toDockerArchive} {
		one, two := filepath.Join(t.TempDir(), "one.tar"), filepath.Join(t.TempDir(), "two.tar")
		images := f.plain()
		f.run(opened(t, open, one), images...)
		slices.Reverse(images)
		f.run(opened(t, open, two), images[:5]...) // in two runs, from the end
		f.run(opened(t, open, two), images...)
		if !bytes.Equal(read(t, one), read(t, two)) {
			t.Errorf("%s: the same images made different bytes", name)
		}
	}
}

func TestArchiveOnceMoreFetchesNothing(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	f.run(opened(t, destination.OCIArchive, file), f.images...)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	to := opened(t, destination.OCIArchive, file)
	for _, i := range f.images {
		if there, err := has(t.Context(), to, i); !there || err != nil {
			t.Errorf("%s: is there: %v, %v", i.Reference(), there, err)
		}
	}
	if n := f.run(to, f.images...); n != 0 {
		t.Errorf("%d bytes were fetched", n)
	}
	after, err := os.Stat(file)
	if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the file was written again, %v", err)
	}
	gone(t, file+".quayside")
}

func TestArchiveIsAddedTo(t *testing.T) {
	older, f := newImageSet(t, "2024.2"), newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	older.run(opened(t, destination.OCIArchive, file), older.images...)
	held := map[digest.Digest]bool{}
	for name := range unpack(t, file) {
		held[digest.Digest("sha256:"+filepath.Base(name))] = true
	}
	var want int64
	for _, i := range f.images {
		for _, d := range f.staged(i).Blobs {
			if !held[d.Digest] {
				held[d.Digest] = true
				want += d.Size
			}
		}
	}
	got := f.run(opened(t, destination.OCIArchive, file), f.images...)
	if got != want || want == 0 {
		t.Errorf("%d bytes were fetched, and %d are new", got, want)
	}
	if diff := cmp.Diff(wanted(append(older.images, f.images...)...), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of both runs (-want +got):\n%s", diff)
	}
}

// If one image fails, the archive has the others, and the next run continues from the
// staging folder.
func TestArchiveKeepsStagingForWhatFailed(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	to := opened(t, destination.OCIArchive, file)
	bad := f.named("keystone")
	s := f.staged(bad)
	if there, err := has(t.Context(), to, bad); there || err != nil {
		t.Fatal(there, err)
	}
	for _, d := range s.Blobs[:1] { // and then its repository went away
		if err := to.Staging().Put(t.Context(), d, f.content[d.Digest]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.copyImage(t.Context(), to, f.staged(f.named("glance-api"))); err != nil {
		t.Fatal(err)
	}
	const complete = false
	if _, err := to.Finish(t.Context(), complete); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted(f.named("glance-api")), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of the whole image (-want +got):\n%s", diff)
	}
	to = opened(t, destination.OCIArchive, file)
	if ok, err := to.Staging().Has(t.Context(), s.Blobs[0]); !ok || err != nil {
		t.Errorf("what was fetched is not there any more: %v", err)
	}
	f.run(to, bad)
	if diff := cmp.Diff(wanted(f.named("glance-api"), bad), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of both images (-want +got):\n%s", diff)
	}
	gone(t, file+".quayside")
}

// The images of a run that was killed before Finish are in the staging folder.
func TestArchiveGoesOnFromStaging(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	to := opened(t, destination.OCIArchive, file)
	if _, err := f.copyImage(t.Context(), to, f.staged(f.images[0])); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, file)
	to = opened(t, destination.OCIArchive, file)
	if there, err := has(t.Context(), to, f.images[0]); !there || err != nil {
		t.Errorf("image is there: %v, %v", there, err)
	}
	f.run(to)
	if diff := cmp.Diff(wanted(f.images[0]), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of the image (-want +got):\n%s", diff)
	}
}

// Has and NeedsBlob look at the content of the archive, not only at names.
func TestDamagedArchiveIsRepaired(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	image := f.named("glance-api")
	f.run(opened(t, destination.OCIArchive, file), image)
	whole := read(t, file)
	layer := f.staged(image).Blobs[1]
	at := bytes.Index(whole, f.content[layer.Digest])
	damaged := slices.Clone(whole)
	damaged[at+100] ^= 1

	// The image changed, and still has the damaged layer.
	if err := os.WriteFile(file, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	other := f.image(mirror.Image{Host: "quay.example", Repository: "stackfleet/other", Tag: "1"}, f.staged(image).Blobs[0], layer)
	if n := f.run(opened(t, destination.OCIArchive, file), other); n != layer.Size {
		t.Errorf("%d bytes were fetched, and %d are damaged", n, layer.Size)
	}
	if diff := cmp.Diff(wanted(image, other), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of both images (-want +got):\n%s", diff)
	}

	// No image that has the layer changed: the damaged image is named, and complete again
	// after the next run.
	if err := os.WriteFile(file, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	to := opened(t, destination.OCIArchive, file)
	apart := f.image(mirror.Image{Host: "quay.example", Repository: "stackfleet/apart", Tag: "1"}, f.add(ocispec.MediaTypeImageConfig, []byte(`{}`)))
	if _, err := f.copyImage(t.Context(), to, f.staged(apart)); err != nil {
		t.Fatal(err)
	}
	left, err := to.Finish(t.Context(), true)
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	if err := left[image.Reference()]; len(left) != 1 || err == nil || !strings.Contains(err.Error(), layer.Digest.String()) {
		t.Errorf("not whole: %v", left)
	}
	if diff := cmp.Diff(wanted(image, apart), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of both images (-want +got):\n%s", diff)
	}
	if n := f.run(opened(t, destination.OCIArchive, file), image); n != layer.Size {
		t.Errorf("%d bytes were fetched, and %d are damaged", n, layer.Size)
	}
	if !bytes.Contains(read(t, file), f.content[layer.Digest]) {
		t.Error("the layer is not in the archive")
	}
	gone(t, file+".quayside")

	// A missing layer is found without hashing.
	if err := os.WriteFile(file, without(t, whole, layer.Digest.Encoded()), 0o644); err != nil {
		t.Fatal(err)
	}
	to = opened(t, destination.OCIArchive, file)
	if there, err := has(t.Context(), to, image); there || err != nil {
		t.Errorf("an image without a layer is there: %v, %v", there, err)
	}
	if n := f.run(to, image); n != layer.Size {
		t.Errorf("%d bytes were fetched, and %d are missing", n, layer.Size)
	}
	if !bytes.Contains(read(t, file), f.content[layer.Digest]) {
		t.Error("the layer is not in the archive")
	}
}

func TestArchiveRefusesWhatIsNone(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	dir := t.TempDir()
	oci, docker := filepath.Join(dir, "oci.tar"), filepath.Join(dir, "docker.tar")
	f.run(opened(t, destination.OCIArchive, oci), f.named("glance-api"))
	f.run(opened(t, toDockerArchive, docker), f.named("glance-api"))
	text, half := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "half.tar")
	twice := filepath.Join(dir, "twice.tar")
	whole := read(t, oci)
	for name, content := range map[string][]byte{
		text: []byte("dear diary"), half: whole[:20000], twice: slices.Concat(whole[:len(whole)-1024], whole),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		open       opener
		file, want string
	}{
		"a text":          {destination.OCIArchive, text, "complete tar"},
		"half a tar":      {destination.OCIArchive, half, "half.tar"},
		"two indexes":     {destination.OCIArchive, twice, "is there twice"},
		"a folder":        {destination.OCIArchive, dir, "is a folder: not a regular file; name another file"},
		"the other kind":  {destination.OCIArchive, docker, "of the other kind"},
		"the other kind ": {toDockerArchive, oci, "of the other kind"},
		"no folder":       {destination.OCIArchive, filepath.Join(dir, "none", "x.tar"), "none"},
		"no name":         {toDockerArchive, "", "names no file"},
	} {
		before, _ := os.ReadFile(test.file)
		to, err := test.open(test.file, layout.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, and does not say %q", name, err, test.want)
		}
		if err == nil {
			_ = to.Close()
		}
		if after, _ := os.ReadFile(test.file); !bytes.Equal(before, after) {
			t.Errorf("%s: was changed", name)
		}
		gone(t, test.file+".quayside", test.file+".quayside-docker")
	}
}

// An entry of an archive that is not a valid descriptor stays with all that it may need,
// and affects no other image. A copy of the image of that name replaces the entry.
func TestArchiveWithAnInvalidEntry(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	one, other := f.named("glance-api"), f.named("nova-api")
	file := filepath.Join(t.TempDir(), "all.tar")
	f.run(opened(t, destination.OCIArchive, file), one)
	odd := bytes.Replace(read(t, file), []byte(`"digest":"sha256:`), []byte(`"digest":"sha255:`), 1)
	if err := os.WriteFile(file, odd, 0o600); err != nil {
		t.Fatal(err)
	}
	before := unpack(t, file)
	f.run(opened(t, destination.OCIArchive, file), other)
	after := unpack(t, file)
	if names := indexed(t, after); len(names) != 2 || !bytes.Contains(after["index.json"], []byte(`"digest":"sha255:`)) {
		t.Errorf("index is %s", after["index.json"])
	}
	for name := range before {
		if after[name] == nil {
			t.Errorf("%s is gone", name)
		}
	}
	f.run(opened(t, destination.OCIArchive, file), one)
	if diff := cmp.Diff(wanted(one, other), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("after another copy (-want +got):\n%s", diff)
	}
}

func TestArchiveIsOneProcessAtATime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.tar")
	first := opened(t, destination.OCIArchive, file)
	if _, err := destination.OCIArchive(file, layout.Options{}); !errors.Is(err, layout.ErrLocked) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, file, file+".quayside")
}

func TestArchiveEndsWithItsContext(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	to := opened(t, destination.OCIArchive, file)
	if _, err := f.copyImage(t.Context(), to, f.staged(f.images[0])); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := finish(ctx, to); !errors.Is(err, context.Canceled) {
		t.Errorf("finish: %v", err)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
	gone(t, file)
	if _, err := os.Stat(file + ".quayside"); err != nil {
		t.Errorf("what was fetched is gone: %v", err)
	}
}

func TestArchiveThatCannotBeReplaced(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	to := opened(t, destination.OCIArchive, file)
	if _, err := f.copyImage(t.Context(), to, f.staged(f.images[0])); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := finish(t.Context(), to); err == nil || !strings.Contains(err.Error(), file+".quayside") {
		t.Errorf("finish: %v", err)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
}

// A sparse index may lack images. Any other index must have all of them.
func TestArchiveOfASparseIndex(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "one.tar")
	image := f.named("nova-compute")
	for name, annotations := range map[string]map[string]string{
		"sparse": {layout.AnnotationIndex: layout.SparseIndex},
		"whole":  nil,
	} {
		to := opened(t, destination.OCIArchive, file)
		s := f.staged(image, "amd64")
		s.Root.Annotations = annotations
		_, err := f.copyImage(t.Context(), to, s)
		if err != nil {
			t.Fatal(err)
		}
		leftOut, err := to.Finish(t.Context(), true)
		left := leftOut[image.Reference()]
		if sparse := name == "sparse"; err != nil || sparse != (left == nil) {
			t.Errorf("%s: %v, left out: %v", name, err, left)
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
}

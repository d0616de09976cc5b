// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// archived copies images from a site to an archive.
func archived(t *testing.T, open opener, file string, o mirror.Options, images []mirror.Image) mirror.Report {
	t.Helper()
	to := opened(t, open, file)
	r, err := mirror.New(to, o).Copy(t.Context(), slices.Values(images))
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCopyToArchives(t *testing.T) {
	s := newSite(t, smallRelease(6)) // some signed, some indexes
	images := s.images("2025.1")
	unique, _ := s.data.BlobBytes()
	oci := filepath.Join(t.TempDir(), "all.tar")
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	r := archived(t, destination.OCIArchive, oci, o, images)
	if !r.Complete || s.blobBytes() != unique || r.SignaturesCopied == 0 {
		t.Errorf("fetched %d bytes of %d\n%s", s.blobBytes(), unique, show(t, r))
	}
	if got := indexed(t, unpack(t, oci)); len(got) != len(images)+r.SignaturesCopied {
		t.Errorf("archive has %d entries, for %d images and %d signatures", len(got), len(images), r.SignaturesCopied)
	}
	before := s.server.Stats().Requests
	r = archived(t, destination.OCIArchive, oci, o, images)
	if r.Present != len(images) || s.server.Stats().Requests != before {
		t.Errorf("once more: %d requests\n%s", s.server.Stats().Requests-before, show(t, r))
	}
	gone(t, oci+".quayside")

	// Indexes fail before their blobs are fetched, unless a platform is chosen.
	docker := filepath.Join(t.TempDir(), "all.tar")
	fetched := s.blobBytes()
	r = archived(t, toDockerArchive, docker, o, images[:1])
	if r.Failed != 1 || !strings.Contains(r.Images[0].Error, "--platform") || s.blobBytes() != fetched {
		t.Errorf("an index: %d bytes were fetched\n%s", s.blobBytes()-fetched, show(t, r))
	}
	o.Platforms = mirror.Platforms{Only: []ocispec.Platform{{OS: "linux", Architecture: "amd64"}}, Index: mirror.SparseIndex}
	r = archived(t, toDockerArchive, docker, o, images)
	if !r.Complete || r.SignaturesFound != 0 {
		t.Errorf("docker archive:\n%s", show(t, r))
	}
	if got := indexed(t, unpack(t, docker)); len(got) != len(images) {
		t.Errorf("docker archive has %d entries for %d images", len(got), len(images))
	}
	fetched = s.blobBytes()
	r = archived(t, toDockerArchive, docker, o, images)
	if r.Present != len(images) || s.blobBytes() != fetched {
		t.Errorf("once more: %d bytes were fetched\n%s", s.blobBytes()-fetched, show(t, r))
	}
	gone(t, docker+".quayside-docker")
}

// Of an index, a docker archive takes the image for the default platform, and requests no
// other. An image without other platforms is taken whatever its platform.
func TestDockerArchiveOfOnePlatform(t *testing.T) {
	y := newTarDataset(t)
	_, children := y.multi()
	y.tag("alone", "v1", y.index("alone", y.image("alone", "linux/s390x", "alone")))
	y.tag("single", "v1", y.image("single", "linux/s390x", "single"))
	y.tag("others", "v1", y.index("others", y.image("others", "linux/s390x", "s"), y.image("others", "linux/ppc64le", "p")))
	s := newSite(t, y.data)
	o := s.options()
	o.Platforms.DefaultPlatform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	file := filepath.Join(t.TempDir(), "all.tar")
	to, err := toDockerArchive(file, layout.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := mirror.New(to, o).Plan(t.Context(), slices.Values(s.images("v1")))
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	before := s.server.Stats().Classes["manifest"].Requests
	r := archived(t, toDockerArchive, file, o, s.images("v1"))
	if n := s.server.Stats().Classes["manifest"].Requests - before; n != 6 {
		t.Errorf("%d manifests were asked for, and 3 indexes and 3 images are wanted", n)
	}
	why := "not linux/amd64, the default here: choose one with --platform (linux/s390x, linux/ppc64le)"
	for n, i := range r.Images {
		bad := strings.Contains(i.Reference, "/others:")
		if bad != (i.Status == mirror.Failed) || bad != strings.Contains(i.Error, why) {
			t.Errorf("%s: %s: %s", i.Reference, i.Status, i.Error)
		}
		if planned := p.Images[n]; bad != (planned.Err != nil) || !bad && planned.Bytes != i.Bytes {
			t.Errorf("planned %+v, and it was %+v", planned, i)
		}
	}
	index := indexed(t, unpack(t, file))
	if len(index) != 3 || index[s.host+"/yard/multi:v1"] != children["linux/amd64"].Digest {
		t.Errorf("index is %v", index)
	}
}

// Docker on Linux stops at an image for Windows. Without --platform, such an image fails by
// name, alone or as the only one of its index. With --platform windows/amd64 it is copied.
func TestDockerArchiveOfAnotherSystem(t *testing.T) {
	y := newTarDataset(t)
	y.tag("linux", "v1", y.image("linux", "linux/amd64", "l"))
	y.tag("window", "v1", y.image("window", "windows/amd64", "w"))
	y.tag("windows", "v1", y.index("windows", y.image("windows", "windows/amd64", "ww")))
	s := newSite(t, y.data)
	file := filepath.Join(t.TempDir(), "all.tar")
	for _, chosen := range []bool{false, false, true} {
		o := s.options()
		o.Platforms.DefaultPlatform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
		if chosen {
			o.Platforms = mirror.Platforms{Only: []ocispec.Platform{{OS: "windows", Architecture: "amd64"}}, Index: mirror.SparseIndex}
		}
		open := func(file string, lo layout.Options) (destination.Destination, error) {
			return destination.DockerArchive(file, lo, o.Platforms.DefaultPlatform.OS)
		}
		for _, i := range archived(t, open, file, o, s.images("v1")).Images {
			windows := strings.Contains(i.Reference, "/window")
			if failed := windows && !chosen; (i.Status == mirror.Failed) != failed {
				t.Errorf("%s: %s: %s", i.Reference, i.Status, i.Error)
			}
			if windows && !chosen && (!strings.Contains(i.Error, "for windows") || !strings.Contains(i.Error, "--platform")) {
				t.Errorf("%s: %s", i.Reference, i.Error)
			}
		}
	}
	if index := indexed(t, unpack(t, file)); len(index) != 3 {
		t.Errorf("index is %v", index)
	}
}

// An index may list an image twice: it is still one image.
func TestDockerArchiveOfAnImageListedTwice(t *testing.T) {
	y := newTarDataset(t)
	d := y.image("twice", "linux/amd64", "l")
	y.tag("twice", "v1", y.index("twice", d, d))
	s := newSite(t, y.data)
	o := s.options()
	o.Platforms.DefaultPlatform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	file := filepath.Join(t.TempDir(), "all.tar")
	for _, status := range []mirror.Status{mirror.Copied, mirror.Present} {
		r := archived(t, toDockerArchive, file, o, s.images("v1"))
		if len(r.Images) != 1 || r.Images[0].Status != status {
			t.Errorf("want %s\n%s", status, show(t, r))
		}
	}
}

// The image for a chosen platform may be in an index that another index lists.
func TestDockerArchiveOfANestedIndex(t *testing.T) {
	y := newTarDataset(t)
	inner := y.index("nested", y.image("nested", "linux/amd64", "a"), y.image("nested", "linux/arm64", "b"))
	y.tag("nested", "v1", y.index("nested", inner))
	y.tag("empty", "v1", y.index("empty"))
	s := newSite(t, y.data)
	file := filepath.Join(t.TempDir(), "all.tar")
	for _, test := range []struct {
		platforms mirror.Platforms
		want      mirror.Status
		text      string
	}{
		{mirror.Platforms{}, mirror.Failed, "--platform (linux/amd64, linux/arm64)"},
		{mirror.Platforms{DefaultPlatform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}, mirror.Copied, ""},
		{platforms(t, mirror.SparseIndex, "linux/amd64"), mirror.Present, ""},
		{platforms(t, mirror.RewrittenIndex, "linux/arm64"), mirror.Copied, ""},
		{platforms(t, mirror.RewrittenIndex, "linux/arm64"), mirror.Present, ""},
	} {
		o := s.options()
		o.Platforms = test.platforms
		for _, i := range archived(t, toDockerArchive, file, o, s.images("v1")).Images {
			if strings.Contains(i.Reference, "/empty:") {
				if i.Status != mirror.Failed || strings.Contains(i.Error, "--platform") {
					t.Errorf("%+v: %s: %s", test.platforms, i.Status, i.Error)
				}
			} else if i.Status != test.want || !strings.Contains(i.Error, test.text) {
				t.Errorf("%+v: %s: %s", test.platforms, i.Status, i.Error)
			}
		}
	}
}

// A docker archive cannot hold the attestations of an index, so they are not fetched. The
// next run finds the images, with a chosen platform and without.
func TestDockerArchiveWithoutAttestations(t *testing.T) {
	y := newTarDataset(t)
	y.multi()
	amd64 := y.image("one", "linux/amd64", "layer of one")
	attestation := y.image("one", "unknown/unknown", "attestation of one")
	attestation.Annotations = map[string]string{"vnd.docker.reference.digest": amd64.Digest.String()}
	y.tag("one", "v1", y.index("one", amd64, attestation))
	s := newSite(t, y.data)
	o := s.options()
	images := s.images("v1")
	for _, test := range []struct {
		platforms mirror.Platforms
		images    []mirror.Image
		blobs     int
	}{
		{mirror.Platforms{}, images[1:], 2},
		{platforms(t, mirror.SparseIndex, "linux/amd64"), images, 5},
		{platforms(t, mirror.RewrittenIndex, "linux/amd64"), images, 5},
	} {
		file := filepath.Join(t.TempDir(), "all.tar")
		o.Platforms = test.platforms
		r := archived(t, toDockerArchive, file, o, test.images)
		if !r.Complete || r.Copied != len(test.images) || r.Blobs != test.blobs {
			t.Errorf("%+v:\n%s", test.platforms, show(t, r))
		}
		fetched := s.blobBytes()
		r = archived(t, toDockerArchive, file, o, test.images)
		if r.Present != len(test.images) || s.blobBytes() != fetched {
			t.Errorf("%+v, once more: %d bytes were fetched\n%s", test.platforms, s.blobBytes()-fetched, show(t, r))
		}
	}
}

// A dry run leaves nothing behind.
func TestPlanForAnArchive(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	file := filepath.Join(t.TempDir(), "all.tar")
	to, err := destination.OCIArchive(file, layout.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	images := s.images(quaytest.SampleTag)
	p, err := mirror.New(to, s.options()).Plan(t.Context(), slices.Values(images))
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	if len(p.Images) != len(images) || p.Missing != p.Bytes {
		t.Errorf("plan has %d images, %d of %d bytes missing", len(p.Images), p.Missing, p.Bytes)
	}
	gone(t, file, file+".quayside")
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// loadable is an entry of manifest.json.
type loadable struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// loaded reads a docker archive as docker load does: by manifest.json.
func loaded(t *testing.T, files map[string][]byte) []loadable {
	t.Helper()
	var images []loadable
	if err := json.Unmarshal(files["manifest.json"], &images); err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		var config ocispec.Image
		if err := json.Unmarshal(files[i.Config], &config); err != nil {
			t.Errorf("%v: configuration %s: %v", i.RepoTags, i.Config, err)
		}
		if len(config.RootFS.DiffIDs) != len(i.Layers) {
			t.Errorf("%v: %d layers, and the configuration has %d", i.RepoTags, len(i.Layers), len(config.RootFS.DiffIDs))
			continue
		}
		for n, id := range config.RootFS.DiffIDs { // the sample's layers are not compressed
			if got := digest.FromBytes(files[i.Layers[n]]); got != id {
				t.Errorf("%v: layer %d is %s, not %s", i.RepoTags, n, got, id)
			}
		}
	}
	return images
}

func TestDockerArchiveIsLoadable(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	images := f.plain()
	f.run(opened(t, toDockerArchive, file), images...)
	files := unpack(t, file)
	if diff := cmp.Diff(wanted(images...), indexed(t, files)); diff != "" {
		t.Errorf("index is not that of the images (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for _, i := range loaded(t, files) {
		for _, name := range i.RepoTags {
			got[name] = strings.TrimPrefix(i.Config, "blobs/sha256/")
		}
	}
	want := map[string]string{}
	for _, i := range images {
		m, err := manifest.Parse(f.manifests[i.Digest].MediaType, f.content[i.Digest])
		if err != nil {
			t.Fatal(err)
		}
		want[i.Reference()] = m.Config.Digest.Encoded()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names and image ids (-want +got):\n%s", diff)
	}
}

// An image with several names is written once. An image without a tag has no name.
func TestDockerArchiveNames(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	image, other, bare := f.named("glance-api"), f.named("glance-api"), f.named("keystone")
	other.Tag = "latest"
	bare.Tag = ""
	f.run(opened(t, toDockerArchive, file), image, other, bare)
	var names [][]string
	for _, i := range loaded(t, unpack(t, file)) {
		names = append(names, i.RepoTags)
	}
	want := [][]string{{image.Reference(), other.Reference()}, nil}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if n := f.run(opened(t, toDockerArchive, file), image, other, bare); n != 0 {
		t.Errorf("%d bytes were fetched once more", n)
	}
}

func TestDockerArchiveOfAnIndex(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	image := f.named("nova-compute")
	to := opened(t, toDockerArchive, file)
	for _, only := range [][]string{nil, {"riscv64"}} {
		for what, try := range map[string]func(destination.Staged) error{
			"commit": func(s destination.Staged) error { return to.Commit(t.Context(), s) },
			"check":  func(s destination.Staged) error { return to.Check(t.Context(), s, f.parsed(s)) },
		} {
			s := f.staged(image, only...)
			for _, d := range s.Manifests {
				if err := to.Staging().Put(t.Context(), d, f.content[d.Digest]); err != nil {
					t.Fatal(err)
				}
			}
			if err := try(s); err == nil || !strings.Contains(err.Error(), "linux/amd64, linux/arm64") || !strings.Contains(err.Error(), "--platform") {
				t.Errorf("%s with %v: error does not name the platforms and what to do: %v", what, only, err)
			}
		}
	}
	one := f.staged(image, "arm64")
	one.Sparse = true
	if _, err := f.copyImage(t.Context(), to, one); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(finish(t.Context(), to), to.Close()); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, file)
	if got := loaded(t, files); len(got) != 1 || !slices.Equal(got[0].RepoTags, []string{image.Reference()}) {
		t.Errorf("images are %+v", got)
	}
	if got := indexed(t, files)[image.Reference()]; got != one.Manifests[0].Digest {
		t.Errorf("name stands for %s, not for the image of arm64", got)
	}

	// The same image is not fetched again. Another platform is another image.
	if n := f.runStaged(opened(t, toDockerArchive, file), one); n != 0 {
		t.Errorf("%d bytes were fetched once more", n)
	}
	other := f.staged(image, "amd64")
	f.runStaged(opened(t, toDockerArchive, file), other)
	if got := indexed(t, unpack(t, file))[image.Reference()]; got != other.Manifests[0].Digest {
		t.Errorf("name stands for %s, not for the image of amd64", got)
	}
}

func TestDockerArchiveRefusesWhatIsNoImage(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	config := f.staged(f.named("keystone")).Blobs[0]
	name := mirror.Image{Host: "quay.example", Repository: "stackfleet/thing", Tag: "1"}
	const helm, foreign = "application/vnd.cncf.helm.config.v1+json", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	for want, image := range map[string]mirror.Image{
		helm:         f.image(name, f.add(helm, []byte(`{"name":"chart"}`))),
		"all layers": f.image(name, config, f.add(foreign, []byte("of Windows"))),
	} {
		file := filepath.Join(t.TempDir(), "all.tar")
		to := opened(t, toDockerArchive, file)
		if _, err := f.copyImage(t.Context(), to, f.staged(image)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "oci-archive") {
			t.Errorf("error is %v, and does not say %q and what to do", err, want)
		}
		if err := errors.Join(finish(t.Context(), to), to.Close()); err != nil {
			t.Error(err)
		}
		gone(t, file)
	}
	to := opened(t, toDockerArchive, filepath.Join(t.TempDir(), "all.tar"))
	odd := f.named("keystone")
	odd.Repository += "-" // a name on a Quay, and none in docker
	if _, err := f.copyImage(t.Context(), to, f.staged(odd)); err == nil || !strings.Contains(err.Error(), odd.Repository) {
		t.Errorf("a name that docker does not read: %v", err)
	}
	if to.KeepsReferrers() {
		t.Error("a docker archive keeps signatures, it says")
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
}

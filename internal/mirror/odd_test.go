// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
)

// odd makes an image with these layers besides a good one.
func (y *dataset) odd(repository string, layers ...ocispec.Descriptor) ocispec.Descriptor {
	y.t.Helper()
	return y.manifest(repository, ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest,
		"config": y.blob(repository, ocispec.MediaTypeImageConfig, `{"os":"linux","architecture":"amd64"}`),
		"layers": append([]ocispec.Descriptor{y.blob(repository, ocispec.MediaTypeImageLayerGzip, "layer")}, layers...),
	})
}

// sized returns a descriptor with another size.
func sized(d ocispec.Descriptor, size int64) ocispec.Descriptor {
	d.Size = size
	return d
}

// An odd image fails by name, and no other image fails with it: in the first run and in the
// next one, at each kind of destination.
func TestOddImagesFailAlone(t *testing.T) {
	y := newTarDataset(t)
	y.tag("good", "v1", y.image("good", "linux/amd64", "layer", "good"))
	y.tag("other", "v1", y.image("other", "linux/amd64", "layer", "other"))
	shared := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromString(tarText("layer")), Size: int64(len(tarText("layer")))}
	y.blob("liar", shared.MediaType, tarText("layer"))
	layer := y.blob("two-sizes", ocispec.MediaTypeImageLayerGzip, "layer")
	many := slices.Repeat([]ocispec.Descriptor{layer}, 10_001)
	deep := y.image("deep", "linux/amd64", "deep")
	for range 6 {
		deep = y.index("deep", deep)
	}
	config := y.blob("config-size", ocispec.MediaTypeImageConfig, `{"os":"linux","architecture":"amd64"}`)
	child := y.image("index-size", "linux/amd64", "child")
	text := y.blob("no-manifest", ocispec.MediaTypeImageManifest, "just bytes")
	odd := map[string]struct {
		desc ocispec.Descriptor
		want string
	}{
		"liar":        {y.odd("liar", sized(shared, shared.Size+5)), "bytes"},
		"two-sizes":   {y.odd("two-sizes", sized(layer, layer.Size+1)), "bytes and"},
		"config-size": {y.odd("config-size", sized(config, config.Size+1)), "bytes and"},
		"huge":        {y.huge(), "room"},
		"negative":    {y.odd("negative", sized(layer, -5)), "negative"},
		"many":        {y.odd("many", many...), "entries"},
		"deep":        {deep, "nested"},
		"index-size":  {y.index("index-size", child, sized(child, child.Size+1)), "bytes"},
		"no-manifest": {y.index("no-manifest", text), ""},
		"no-digest":   {y.odd("no-digest", ocispec.Descriptor{MediaType: layer.MediaType, Digest: "sha256:abc", Size: 1}), "digest"},
	}
	for name, o := range odd {
		y.tag(name, "v1", o.desc)
	}
	s := newSite(t, y.data)
	dir := t.TempDir()
	free, err := newLayout(t, filepath.Join(dir, "free")).Free()
	if err != nil || free >= huge {
		t.Skipf("the disk has room for %d bytes (%v)", free, err)
	}
	for name, open := range map[string]func() destination.Destination{
		"oci": func() destination.Destination {
			l, err := layout.Open(filepath.Join(dir, "oci"), layout.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return closing{destination.Layout(l), l}
		},
		"oci-archive": func() destination.Destination {
			return opened(t, destination.OCIArchive, filepath.Join(dir, "oci.tar"))
		},
		"docker-archive": func() destination.Destination { return opened(t, toDockerArchive, filepath.Join(dir, "docker.tar")) },
	} {
		for run := range 2 {
			to := open()
			r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(s.images("v1")))
			if err := errors.Join(err, to.Close()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r.Copied+r.Present != 2 || r.Copied != 2*(1-run) || r.Failed != len(odd) {
				t.Errorf("%s, run %d:\n%s", name, run, show(t, r))
			}
			for _, i := range r.Images {
				of := strings.TrimSuffix(strings.TrimPrefix(i.Reference, s.host+"/yard/"), ":v1")
				if o, bad := odd[of]; bad && !strings.Contains(i.Error, o.want) {
					t.Errorf("%s: %s: error is %s, and does not say %q", name, of, i.Error, o.want)
				}
			}
		}
	}
	v, err := layout.Verify(t.Context(), filepath.Join(dir, "oci"), layout.VerifyOptions{})
	if err != nil || len(v.Damaged) > 0 {
		t.Errorf("%v, damaged: %v", err, v.Damaged)
	}
}

// A closing destination closes its layout.
type closing struct {
	destination.Destination
	l *layout.Layout
}

func (c closing) Close() error { return errors.Join(c.Destination.Close(), c.l.Close()) }

// A layer or a configuration is a blob, even if its media type is that of a manifest, in
// images and in attachments.
func TestBlobsAreNoManifests(t *testing.T) {
	y := newDataset(t)
	good := y.image("good", "linux/amd64", "layer")
	y.tag("good", "v1", good)
	for i, mediaType := range manifest.Accept() {
		name := fmt.Sprint("odd-", i)
		y.tag(name, "v1", y.odd(name, y.blob(name, mediaType, "just bytes "+name)))
	}
	bytes := y.blob("good", ocispec.MediaTypeImageManifest, "just bytes")
	y.tag("good", cosign(good, ".att"), y.manifest("good", ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest,
		"config": y.blob("good", ocispec.MediaTypeImageManifest, "{}"), "layers": []ocispec.Descriptor{bytes},
	}))
	s := newSite(t, y.data)
	file := filepath.Join(t.TempDir(), "all.tar")
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	for run := range 2 {
		r := archived(t, destination.OCIArchive, file, o, s.images("v1"))
		if r.Failed != 0 || r.Copied != 5*(1-run) || run == 0 && r.SignaturesCopied != 1 {
			t.Errorf("run %d:\n%s", run, show(t, r))
		}
	}
	if _, ok := unpack(t, file)["blobs/sha256/"+bytes.Digest.Encoded()]; !ok {
		t.Error("what is attached is not whole")
	}
	gone(t, file+".quayside")
}

// An empty index has no platform to choose. Without --platform it is copied unchanged.
func TestEmptyIndex(t *testing.T) {
	y := newDataset(t)
	y.tag("empty", "v1", y.index("empty"))
	y.tag("nested", "v1", y.index("nested", y.index("nested")))
	s := newSite(t, y.data)
	for _, mode := range []mirror.IndexMode{mirror.SparseIndex, mirror.RewrittenIndex} {
		o := s.options()
		o.Platforms = platforms(t, mode, "linux/amd64")
		r := copyTo(t, newLayout(t, t.TempDir()), o, s.images("v1"))
		for _, i := range r.Images {
			if i.Status != mirror.Failed || !strings.Contains(i.Error, "not available for the chosen platforms") {
				t.Errorf("%s: %s: %s", mode, i.Reference, show(t, r))
			}
		}
	}
	l := newLayout(t, t.TempDir())
	whole(t, l, copyTo(t, l, s.options(), s.images("v1")), 2)
}

// The media type in a manifest counts, and not the one that it was served with: in the run
// that fetches it, and in the next one.
func TestManifestServedAsAnotherType(t *testing.T) {
	y := newDataset(t)
	d := y.image("app", "linux/amd64", "layer")
	y.data.Manifests[len(y.data.Manifests)-1].MediaType = ocispec.MediaTypeImageIndex
	y.tag("app", "v1", d)
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	whole(t, l, copyTo(t, l, s.options(), s.images("v1")), 1)
	if r := copyTo(t, l, s.options(), s.images("v1")); r.Present != 1 {
		t.Error(show(t, r))
	}
}

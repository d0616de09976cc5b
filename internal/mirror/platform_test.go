// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// platforms reads a list such as "linux/amd64,linux/arm64".
func platforms(t *testing.T, mode mirror.IndexMode, list string) mirror.Platforms {
	t.Helper()
	p := mirror.Platforms{Index: mode}
	for s := range strings.SplitSeq(list, ",") {
		one, err := mirror.ParsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		p.Only = append(p.Only, one)
	}
	return p
}

// multi returns a dataset with one index of three images and an attestation of each
// of two of them.
func multi(t *testing.T) (y *dataset, index ocispec.Descriptor, children map[string]ocispec.Descriptor) {
	y = newDataset(t)
	index, children = y.multi()
	return y, index, children
}

// multi makes an index of three platforms, with attestations of two.
func (y *dataset) multi() (index ocispec.Descriptor, children map[string]ocispec.Descriptor) {
	children = map[string]ocispec.Descriptor{}
	var list []ocispec.Descriptor
	for _, p := range []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v7"} {
		children[p] = y.image("multi", p, "shared", "layer of "+p)
		list = append(list, children[p])
	}
	for _, p := range []string{"linux/amd64", "linux/arm64/v8"} {
		a := y.image("multi", "unknown/unknown", "attestation of "+p)
		a.Annotations = map[string]string{"vnd.docker.reference.digest": children[p].Digest.String()}
		children["attestation "+p] = a
		list = append(list, a)
	}
	index = y.index("multi", list...)
	y.tag("multi", "v1", index)
	return index, children
}

func TestSparseIndexKeepsItsDigest(t *testing.T) {
	y, index, children := multi(t)
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/arm64")
	r := copyTo(t, l, o, s.images("v1"))
	whole(t, l, r, 1)
	if e, _ := l.Image(s.host + "/yard/multi:v1"); e.Descriptor.Digest != index.Digest || r.Images[0].As != "" {
		t.Errorf("the entry is %s, the report says %q, and the index is %s", e.Descriptor.Digest, r.Images[0].As, index.Digest)
	}
	for name, d := range children {
		there, err := l.Has(t.Context(), d)
		if err != nil || there != strings.Contains(name, "arm64") {
			t.Errorf("%s is there: %v (%v)", name, there, err)
		}
	}
	if want := []string{"linux/arm64/v8"}; !slices.Equal(r.Images[0].Platforms, want) {
		t.Errorf("platforms %v", r.Images[0].Platforms)
	}

	before := s.server.Stats().Requests
	if r := copyTo(t, l, o, s.images("v1")); r.Present != 1 || r.Images[0].Bytes != 0 || s.server.Stats().Requests != before {
		t.Errorf("the same again: %d requests\n%s", s.server.Stats().Requests-before, show(t, r))
	}
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/arm64,linux/arm/v7")
	whole(t, l, copyTo(t, l, o, s.images("v1")), 1)
	if there, err := l.Has(t.Context(), children["linux/arm/v7"]); err != nil || !there {
		t.Errorf("a platform that was chosen later is not there (%v)", err)
	}
}

func TestRewrittenIndexIsNewAndTheSameEachTime(t *testing.T) {
	y, index, children := multi(t)
	y.tag("multi", cosign(index, ".sig"), y.artifact("multi", nil, "signature"))
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	o.Platforms = platforms(t, mirror.RewrittenIndex, "linux/amd64,linux/arm/v7")
	r := copyTo(t, l, o, s.images("v1"))
	whole(t, l, r, 1)
	e, _ := l.Image(s.host + "/yard/multi:v1")
	if e.Descriptor.Digest == index.Digest || r.Images[0].As != e.Descriptor.Digest || r.Images[0].Digest != index.Digest {
		t.Fatalf("the entry is %s, and the report says\n%s", e.Descriptor.Digest, show(t, r))
	}
	if got := r.Images[0].Signatures; got != (mirror.Signatures{Found: 1}) || len(r.Images[0].Notes) != 1 {
		t.Errorf("signatures %+v, notes %q: the index is not what was signed", got, r.Images[0].Notes)
	}
	content, err := l.Read(t.Context(), e.Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(e.Descriptor.MediaType, content)
	if err != nil {
		t.Fatal(err)
	}
	var want []ocispec.Descriptor
	for _, name := range []string{"linux/amd64", "linux/arm/v7", "attestation linux/amd64"} {
		want = append(want, children[name])
	}
	if diff := cmp.Diff(want, m.Children); diff != "" {
		t.Errorf("children: %s", diff)
	}
	if m.Annotations["a"] != "<kept>" {
		t.Errorf("annotations %v", m.Annotations)
	}

	before := s.server.Stats().Requests
	if r := copyTo(t, l, o, s.images("v1")); r.Present != 1 || r.Images[0].As != e.Descriptor.Digest || s.server.Stats().Requests != before {
		t.Errorf("the same again: %d requests\n%s", s.server.Stats().Requests-before, show(t, r))
	}
}

func TestIndexOfWhichAllIsChosenStaysAsItIs(t *testing.T) {
	y, index, _ := multi(t)
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Platforms = platforms(t, mirror.RewrittenIndex, "linux/amd64,linux/arm64,linux/arm")
	whole(t, l, copyTo(t, l, o, s.images("v1")), 1)
	if e, _ := l.Image(s.host + "/yard/multi:v1"); e.Descriptor.Digest != index.Digest {
		t.Errorf("the entry is %s", e.Descriptor.Digest)
	}
}

func TestNestedIndex(t *testing.T) {
	y := newDataset(t)
	inner := y.index("deep", y.image("deep", "linux/amd64", "a"), y.image("deep", "windows/amd64", "w"))
	other := y.index("deep", y.image("deep", "windows/arm64", "x"))
	y.tag("deep", "v1", y.index("deep", inner, other))
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Platforms = platforms(t, mirror.RewrittenIndex, "linux/amd64")
	r := copyTo(t, l, o, s.images("v1"))
	whole(t, l, r, 1)
	if want := []string{"linux/amd64"}; !slices.Equal(r.Images[0].Platforms, want) {
		t.Errorf("platforms %v", r.Images[0].Platforms)
	}
	for _, content := range []string{"a", "w", "x"} {
		there, err := l.Has(t.Context(), ocispec.Descriptor{Digest: digest.FromString(content), Size: 1})
		if err != nil || there != (content == "a") {
			t.Errorf("layer %s is there: %v (%v)", content, there, err)
		}
	}
}

// An image that failed has no digest at the destination.
func TestRewrittenIndexThatFails(t *testing.T) {
	y, _, _ := multi(t)
	at := "/v2/yard/multi/blobs/" + digest.FromString("shared").String()
	s := newSite(t, y.data, quaytest.WithQuirk("outage", "1000:403:"+at))
	o := s.options()
	o.Platforms = platforms(t, mirror.RewrittenIndex, "linux/amd64")
	if r := copyTo(t, newLayout(t, t.TempDir()), o, s.images("v1")); r.Failed != 1 || r.Images[0].As != "" {
		t.Errorf("have\n%s", show(t, r))
	}
}

// An index that another index lists twice is rewritten in both places.
func TestIndexListedTwice(t *testing.T) {
	y := newDataset(t)
	inner := y.index("deep", y.image("deep", "linux/amd64", "a"), y.image("deep", "windows/amd64", "w"))
	y.tag("deep", "v1", y.index("deep", inner, inner))
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Platforms = platforms(t, mirror.RewrittenIndex, "linux/amd64")
	whole(t, l, copyTo(t, l, o, s.images("v1")), 1)
}

// A manifest that is also a layer of the image is still read.
func TestManifestThatIsALayerToo(t *testing.T) {
	y := newDataset(t)
	arm64 := y.image("app", "linux/arm64", "a")
	amd64 := y.image("app", "linux/amd64", y.data.Manifests[0].Content)
	y.tag("app", "v1", y.index("app", amd64, arm64))
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	whole(t, l, copyTo(t, l, s.options(), s.images("v1")), 1)
}

// The number of manifests is limited. Layers do not count.
func TestManifestsAreBounded(t *testing.T) {
	y := newDataset(t)
	var layers []string
	for i := range 1200 {
		layers = append(layers, strings.Repeat("l", i+1))
	}
	y.tag("layers", "v1", y.index("layers", y.image("layers", "linux/amd64", layers[:997]...), y.image("layers", "linux/arm64", layers[997:]...)))
	var images []ocispec.Descriptor
	for _, l := range layers[:1000] {
		images = append(images, y.image("images", "linux/amd64", l))
	}
	y.tag("images", "v1", y.index("images", images...))
	s := newSite(t, y.data)
	r := copyTo(t, newLayout(t, t.TempDir()), s.options(), s.images("v1"))
	if r.Copied != 1 || failed(r) != s.host+"/yard/images:v1" || !strings.Contains(r.Images[0].Error, "more than 1000 manifests") {
		t.Errorf("%d copied, failed %s: %s", r.Copied, failed(r), r.Images[0].Error)
	}
}

// A destination that has a complete index keeps it, whatever platforms are chosen later.
func TestWholeIndexStaysAsItIs(t *testing.T) {
	y, index, _ := multi(t)
	y.tag("multi", cosign(index, ".sig"), y.artifact("multi", nil, "signature"))
	s := newSite(t, y.data)
	for _, mode := range []mirror.IndexMode{mirror.SparseIndex, mirror.RewrittenIndex} {
		l := newLayout(t, t.TempDir())
		copyTo(t, l, s.options(), s.images("v1"))
		o := s.options()
		o.Signatures = mirror.SignaturesAlways
		o.Platforms = platforms(t, mode, "linux/arm64")
		r := copyTo(t, l, o, s.images("v1"))
		if i := r.Images[0]; i.Status != mirror.Present || i.As != "" || i.Signatures != (mirror.Signatures{Found: 1, Copied: 1}) {
			t.Errorf("%s:\n%s", mode, show(t, r))
		}
		if e, _ := l.Image(s.host + "/yard/multi:v1"); e.Descriptor.Digest != index.Digest || e.Descriptor.Annotations[layout.AnnotationIndex] != "" {
			t.Errorf("%s: the entry is %+v", mode, e.Descriptor)
		}
	}
}

func TestIndexesNestedTooDeepAreRefused(t *testing.T) {
	y := newDataset(t)
	d := y.image("deep", "linux/amd64", "a")
	d.Platform = nil
	for range 5 {
		d = y.index("deep", d)
	}
	y.tag("deep", "v1", d)
	s := newSite(t, y.data)
	r := copyTo(t, newLayout(t, t.TempDir()), s.options(), s.images("v1"))
	if r.Failed != 1 || !strings.Contains(r.Images[0].Error, "nested") {
		t.Errorf("have\n%s", show(t, r))
	}
}

func TestIndexThatTellsAnotherSizeIsRefused(t *testing.T) {
	y := newDataset(t)
	d := y.image("app", "linux/amd64", "a")
	d.Size++
	y.tag("app", "v1", y.index("app", d))
	s := newSite(t, y.data)
	r := copyTo(t, newLayout(t, t.TempDir()), s.options(), s.images("v1"))
	if r.Failed != 1 || !strings.Contains(r.Images[0].Error, "as the index says") {
		t.Errorf("have\n%s", show(t, r))
	}
}

func TestPlatformThatIsNotThere(t *testing.T) {
	y, _, _ := multi(t)
	y.tag("single", "v1", y.image("single", "linux/arm64", "layer"))
	s := newSite(t, y.data)
	o := s.options()
	for _, test := range []struct {
		list, repository, says string
	}{
		{"linux/s390x", "multi", "linux/amd64, linux/arm64/v8, linux/arm/v7"},
		{"linux/arm/v6", "multi", "linux/amd64, linux/arm64/v8, linux/arm/v7"},
		{"linux/amd64", "single", "linux/arm64"},
	} {
		for _, mode := range []mirror.IndexMode{mirror.SparseIndex, mirror.RewrittenIndex} {
			o.Platforms = platforms(t, mode, test.list)
			r := copyTo(t, newLayout(t, t.TempDir()), o, s.images("v1"))
			i := r.Images[slices.IndexFunc(r.Images, func(i mirror.ImageReport) bool { return strings.Contains(i.Reference, test.repository) })]
			if i.Status != mirror.Failed || !strings.Contains(i.Error, test.says) {
				t.Errorf("%s of %s: %s %q", test.list, test.repository, i.Status, i.Error)
			}
		}
	}
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/arm64/v8")
	l := newLayout(t, t.TempDir())
	r := copyTo(t, l, o, s.images("v1"))
	whole(t, l, r, 2)
	if r.Fetched != r.Bytes {
		t.Errorf("fetched %d of %d", r.Fetched, r.Bytes)
	}
}

func TestParsePlatform(t *testing.T) {
	for s, want := range map[string]ocispec.Platform{
		"linux/amd64":  {OS: "linux", Architecture: "amd64"},
		"linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"},
	} {
		if got, err := mirror.ParsePlatform(s); err != nil || got.OS != want.OS || got.Architecture != want.Architecture || got.Variant != want.Variant {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "Linux/amd64", "linux/amd64,linux/arm64", "linux/../etc"} {
		if got, err := mirror.ParsePlatform(s); err == nil {
			t.Errorf("%q is taken for %+v", s, got)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// A released is a handler with a release, and the blobs that were pulled from it.
type released struct {
	*pulling
	t     *testing.T
	blobs map[string][]byte // by digest
	sum   int64             // of the blobs of every image
}

func newReleased(t *testing.T, n int, opts quaytest.ReleaseOptions) (*released, *quaytest.Dataset) {
	t.Helper()
	d := quaytest.Release(n, opts)
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &released{pulling: &pulling{Handler: h}, t: t, blobs: map[string][]byte{}}, d
}

// wireDescriptor and wireManifest are the parts that a client reads.
type wireDescriptor struct {
	MediaType, Digest string
	Size              int64
	Platform          struct{ OS, Architecture string }
	Annotations       map[string]string
}

type wireManifest struct {
	MediaType, ArtifactType string
	Config                  wireDescriptor
	Layers, Manifests       []wireDescriptor
	Subject                 wireDescriptor
}

// manifest pulls a manifest and all blobs that it names.
func (r *released) manifest(repository, reference string) (wireManifest, string) {
	r.t.Helper()
	w := r.ask("GET", "/v2/"+repository+"/manifests/"+reference, "Accept", anyType)
	digest := w.Header().Get("Docker-Content-Digest")
	var m wireManifest
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != 200 || !isDigest(digest, w.Body.Bytes()) {
		r.t.Fatalf("%s:%s: %d %s", repository, reference, w.Code, w.Body)
	}
	if m.MediaType == "application/vnd.oci.image.index.v1+json" {
		return m, digest
	}
	for _, d := range append([]wireDescriptor{m.Config}, m.Layers...) {
		w := r.ask("GET", "/v2/"+repository+"/blobs/"+d.Digest)
		if w.Code != 200 || int64(w.Body.Len()) != d.Size || !isDigest(d.Digest, w.Body.Bytes()) {
			r.t.Fatalf("%s: blob %s: %d, %d bytes", repository, d.Digest, w.Code, w.Body.Len())
		}
		r.blobs[d.Digest] = bytes.Clone(w.Body.Bytes())
		r.sum += d.Size
	}
	return m, digest
}

// image checks an image against its manifest and configuration, and unpacks its layers.
func (r *released) image(m wireManifest, architecture string) {
	r.t.Helper()
	var config struct {
		OS, Architecture, Created string
		Config                    struct{ Labels map[string]string }
		RootFS                    struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(r.blobs[m.Config.Digest], &config); err != nil {
		r.t.Fatal(err)
	}
	var layers []string
	for _, l := range m.Layers {
		layers = append(layers, l.Digest)
		archive := tar.NewReader(bytes.NewReader(r.blobs[l.Digest]))
		file, err := archive.Next()
		if err != nil {
			r.t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, archive)
		if _, end := archive.Next(); end != io.EOF || err != nil || n != file.Size || n != l.Size-1536 {
			r.t.Errorf("%s of %d bytes: read %d, %v, then %v", file.Name, file.Size, n, err, end)
		}
	}
	if !cmp.Equal(layers, config.RootFS.DiffIDs) || config.OS != "linux" || config.Architecture != architecture ||
		config.Created == "" || config.RootFS.Type != "layers" || len(config.Config.Labels) == 0 {
		r.t.Errorf("configuration %+v of layers %v", config, layers)
	}
}

// Every image can be pulled and unpacked, and BlobBytes returns their bytes.
func TestReleaseCanBePulled(t *testing.T) {
	r, d := newReleased(t, 7, quaytest.ReleaseOptions{Base: 20_000, Group: 10_000, Groups: 3, Own: 5_000})
	groups := map[string]int{}
	for _, repository := range d.Repositories {
		m, _ := r.manifest("release/"+repository.Name, "2025.1")
		r.image(m, "amd64")
		if len(m.Layers) != 3 {
			t.Fatalf("%d layers", len(m.Layers))
		}
		groups[m.Layers[1].Digest]++
	}
	var unique int64
	for _, b := range r.blobs {
		unique += int64(len(b))
	}
	if u, sum := d.BlobBytes(); u != unique || sum != r.sum {
		t.Errorf("BlobBytes is %d, %d; pulled %d of %d", u, sum, unique, r.sum)
	}
	if len(groups) != 3 || len(r.blobs) != 1+3+2*7 {
		t.Errorf("%d groups, %d blobs", len(groups), len(r.blobs))
	}
}

// The releases that benchmarks use have the documented sizes.
func TestReleaseSizes(t *testing.T) {
	for _, c := range []struct {
		n            int
		opts         quaytest.ReleaseOptions
		megabytes    int64
		least, times float64
	}{
		{60, quaytest.ReleaseOptions{}, 193, 3.0, 3.4},
		{30, quaytest.ReleaseOptions{Base: 21_600_000, Groups: 5, Group: 3_480_000, Own: 2_200_000}, 105, 7.7, 7.9},
	} {
		unique, sum := quaytest.Release(c.n, c.opts).BlobBytes()
		if times := float64(sum) / float64(unique); unique/1_000_000 != c.megabytes || times < c.least || times > c.times {
			t.Errorf("%d images: %d bytes, %.2f times that in all", c.n, unique, times)
		}
	}
}

// Signatures, SBOMs and other platforms of images.
func TestReleaseAttachments(t *testing.T) {
	r, d := newReleased(t, 4, quaytest.ReleaseOptions{Namespace: "yard", Tag: "v2", Base: 5_000, Group: 4_000, Own: 3_000,
		Signed: 2, Referrers: 3, Index: 4})
	index, digest := r.manifest("yard/image-000000", "v2")
	if len(index.Manifests) != 2 {
		t.Fatalf("an index of %d", len(index.Manifests))
	}
	for i, architecture := range []string{"amd64", "arm64"} {
		of := index.Manifests[i]
		m, got := r.manifest("yard/image-000000", of.Digest)
		if r.image(m, architecture); of.Platform.Architecture != architecture || got != of.Digest {
			t.Errorf("child %d is %+v", i, of)
		}
	}
	signature, _ := r.manifest("yard/image-000000", "sha256-"+strings.TrimPrefix(digest, "sha256:")+".sig")
	if payload := r.blobs[signature.Layers[0].Digest]; !strings.Contains(string(payload), digest) ||
		signature.Layers[0].Annotations["dev.cosignproject.cosign/signature"] == "" {
		t.Errorf("signature %+v of %s", signature, payload)
	}
	var referrers wireManifest
	if err := json.Unmarshal(r.ask("GET", "/v2/yard/image-000000/referrers/"+digest).Body.Bytes(), &referrers); err != nil {
		t.Fatal(err)
	}
	if len(referrers.Manifests) != 1 {
		t.Fatalf("%d referrers", len(referrers.Manifests))
	}
	sbom, _ := r.manifest("yard/image-000000", referrers.Manifests[0].Digest)
	if sbom.Subject.Digest != digest || sbom.ArtifactType != "application/spdx+json" {
		t.Errorf("referrer %+v", sbom)
	}
	for name, want := range map[string]struct{ tags, manifests int }{"image-000000": {2, 5}, "image-000001": {1, 1}, "image-000002": {2, 2}, "image-000003": {1, 2}} {
		manifests := 0
		for _, m := range d.Manifests {
			if m.Repository == "yard/"+name {
				manifests++
			}
		}
		for _, of := range d.Repositories {
			if of.Name == name && len(of.Tags) != want.tags || manifests != want.manifests {
				t.Errorf("%s has %d tags and %d manifests, want %v", name, len(of.Tags), manifests, want)
			}
		}
	}
	public := 0
	for _, repository := range quaytest.Release(4, quaytest.ReleaseOptions{Base: 1, Group: 1, Own: 1, Private: 3}).Repositories {
		if repository.Public {
			public++
		}
	}
	if public != 1 {
		t.Errorf("%d of 4 are public, want 1", public)
	}
}

// A layer with a tar survives the file form of a dataset, and can be read from any
// offset.
func TestSyntheticLayer(t *testing.T) {
	layer := quaytest.SyntheticLayer("harbour/plain", "data", 10_000, 7)
	if *layer.Size != 9728 {
		t.Fatalf("%d bytes", *layer.Size)
	}
	least := quaytest.SyntheticLayer("harbour/plain", "empty", 1, 7)
	if *least.Size != 1536 {
		t.Errorf("the least is %d bytes", *least.Size)
	}
	d := harbour()
	d.Blobs = []quaytest.Blob{layer, least}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = quaytest.ReadDataset(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	h, err := quaytest.NewHandler(d, quaytest.WithObjectStorage())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p := &pulling{Handler: h}
	for _, b := range d.Blobs {
		signed := p.ask("GET", "/v2/harbour/plain/blobs/"+b.Digest.String()).Header().Get("Location")
		whole := bytes.Clone(p.ask("GET", signed).Body.Bytes())
		if int64(len(whole)) != *b.Size || !isDigest(b.Digest, whole) {
			t.Fatalf("%d bytes of another digest", len(whole))
		}
		for part, want := range map[string][]byte{
			"bytes=0-9": whole[:10], "bytes=500-600": whole[500:601], "bytes=512-": whole[512:], "bytes=1000-1530": whole[1000:1531],
			"bytes=-1025": whole[len(whole)-1025:], "bytes=-1000": whole[len(whole)-1000:],
		} {
			if w := p.ask("GET", signed, "Range", part); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), want) {
				t.Errorf("%s: %d, not the same bytes as in the whole", part, w.Code)
			}
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"archive/tar"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/quay/quaytest"
)

// A dataset builds the images of an organization, "yard", one by one.
type dataset struct {
	t     *testing.T
	data  *quaytest.Dataset
	plain bool // layers are texts and not tars
}

// newDataset returns an empty dataset. Layers of its images are texts.
func newDataset(t *testing.T) *dataset {
	return &dataset{t, &quaytest.Dataset{Organizations: []quaytest.Organization{{Name: "yard", Enabled: true}}}, true}
}

// newTarDataset returns an empty dataset whose images docker can load.
func newTarDataset(t *testing.T) *dataset {
	y := newDataset(t)
	y.plain = false
	return y
}

// repository adds a repository unless it exists, and returns its full name.
func (y *dataset) repository(name string) (*quaytest.Repository, string) {
	i := slices.IndexFunc(y.data.Repositories, func(r quaytest.Repository) bool { return r.Name == name })
	if i < 0 {
		i = len(y.data.Repositories)
		y.data.Repositories = append(y.data.Repositories, quaytest.Repository{Namespace: "yard", Name: name, Public: true})
	}
	return &y.data.Repositories[i], "yard/" + name
}

// blob puts content into a repository.
func (y *dataset) blob(repository, mediaType, content string) ocispec.Descriptor {
	_, full := y.repository(repository)
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	for _, b := range y.data.Blobs {
		if b.Repository == full && b.Digest == d.Digest {
			return d
		}
	}
	y.data.Blobs = append(y.data.Blobs, quaytest.Blob{Repository: full, Digest: d.Digest, Data: []byte(content)})
	return d
}

// manifest puts a manifest into a repository.
func (y *dataset) manifest(repository, mediaType string, m any) ocispec.Descriptor {
	y.t.Helper()
	_, full := y.repository(repository)
	text, err := json.Marshal(m)
	if err != nil {
		y.t.Fatal(err)
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	y.data.Manifests = append(y.data.Manifests, quaytest.Manifest{Repository: full, Digest: d.Digest, MediaType: mediaType, Content: string(text)})
	return d
}

// layer is a tar of one file with this content, or the content alone.
func (y *dataset) layer(content string) string {
	if y.plain {
		return content
	}
	return tarText(content)
}

// tarText is a tar of one file with this content, not compressed.
func tarText(content string) string {
	var b strings.Builder
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o644, Size: int64(len(content))})
	_, _ = io.WriteString(w, content)
	_ = w.Close() // a strings.Builder takes all
	return b.String()
}

// image makes an image for a platform with layers of these contents.
func (y *dataset) image(repository, platform string, layers ...string) ocispec.Descriptor {
	y.t.Helper()
	os, rest, _ := strings.Cut(platform, "/")
	architecture, variant, _ := strings.Cut(rest, "/")
	p := ocispec.Platform{OS: os, Architecture: architecture, Variant: variant}
	diffs := []digest.Digest{}
	for _, l := range layers {
		diffs = append(diffs, digest.FromString(y.layer(l)))
	}
	config, err := json.Marshal(map[string]any{
		"os": os, "architecture": architecture, "variant": variant, "created": "2025-04-02T09:00:00Z",
		"config": map[string]any{"Labels": map[string]string{"of": repository}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		y.t.Fatal(err)
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: y.blob(repository, ocispec.MediaTypeImageConfig, string(config)), Layers: []ocispec.Descriptor{},
	}
	for _, l := range layers {
		m.Layers = append(m.Layers, y.blob(repository, ocispec.MediaTypeImageLayerGzip, y.layer(l)))
	}
	d := y.manifest(repository, ocispec.MediaTypeImageManifest, m)
	d.Platform = &p
	return d
}

// index makes an index.
func (y *dataset) index(repository string, children ...ocispec.Descriptor) ocispec.Descriptor {
	y.t.Helper()
	return y.manifest(repository, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: children, Annotations: map[string]string{"a": "<kept>"},
	})
}

// artifact makes something that is attached to a subject, which nil leaves to a tag.
func (y *dataset) artifact(repository string, subject *ocispec.Descriptor, content string) ocispec.Descriptor {
	y.t.Helper()
	if subject != nil {
		subject = &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	}
	return y.manifest(repository, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/vnd.example.signature", Subject: subject,
		Config: y.blob(repository, ocispec.MediaTypeEmptyJSON, "{}"),
		Layers: []ocispec.Descriptor{y.blob(repository, "application/vnd.example.signature", content)},
	})
}

// tag names a manifest.
func (y *dataset) tag(repository, tag string, d ocispec.Descriptor) {
	r, _ := y.repository(repository)
	r.Tags = append(r.Tags, quaytest.Tag{Name: tag, Digest: d.Digest, Start: time.Unix(1, 0)})
}

// cosign is the name of a tag that cosign would give to what it attaches.
func cosign(d ocispec.Descriptor, kind string) string {
	return d.Digest.Algorithm().String() + "-" + d.Digest.Encoded() + kind
}

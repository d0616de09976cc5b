// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar" // not compressed: the same bytes with every compressor
)

// A builder makes images that can be pulled, and puts their manifests and blobs
// into a dataset.
type builder struct {
	d    *Dataset
	held map[content]bool // blobs that a repository has
	sent map[string]bool  // digests whose bytes are in the dataset
}

func newBuilder(d *Dataset) *builder {
	return &builder{d: d, held: map[content]bool{}, sent: map[string]bool{}}
}

// A descriptor points from one text of an image to another.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    map[string]any    `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// image makes an image of layers, each with what made it. It gives the image's
// descriptor and the size of its layers.
func (b *builder) image(repository, release, arch string, out time.Time, layers []descriptor, made []string) (descriptor, int64) {
	var size int64
	var steps []map[string]any
	var contents []string
	for i, l := range layers {
		size += l.Size
		contents = append(contents, l.Digest) // of the layer as it is: not compressed
		steps = append(steps, map[string]any{"created": out.Format(time.RFC3339), "created_by": made[i]})
	}
	config := b.text(repository, ociConfig, marshal(map[string]any{
		"architecture": arch, "os": "linux", "created": out.Format(time.RFC3339),
		"config":  map[string]any{"Labels": map[string]string{"org.opencontainers.image.version": release}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": contents},
		"history": steps,
	}))
	m := b.manifest(repository, ociManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest, "config": config, "layers": layers,
	})
	m.Platform = map[string]any{"architecture": arch, "os": "linux"}
	return m, size
}

// index makes an index of images.
func (b *builder) index(repository string, images ...descriptor) descriptor {
	return b.manifest(repository, ociIndex, map[string]any{
		"schemaVersion": 2, "mediaType": ociIndex, "manifests": images,
	})
}

// text adds a blob of that text to a repository.
func (b *builder) text(repository, mediaType string, text []byte) descriptor {
	encoded := base64.StdEncoding.EncodeToString(text)
	b.add(repository, Blob{Digest: digestOf(text), Base64: &encoded})
	return descriptor{MediaType: mediaType, Digest: digestOf(text), Size: int64(len(text))}
}

// synthetic adds a blob to a repository whose bytes are made up.
func (b *builder) synthetic(repository, mediaType string, made Blob) descriptor {
	b.add(repository, made)
	return descriptor{MediaType: mediaType, Digest: made.Digest, Size: *made.Size}
}

// add adds a blob to a repository. Its bytes are in the dataset once.
func (b *builder) add(repository string, blob Blob) {
	key := content{repository, blob.Digest}
	if b.held[key] {
		return
	}
	b.held[key] = true
	if b.sent[blob.Digest] {
		blob = Blob{Digest: blob.Digest}
	}
	b.sent[blob.Digest] = true
	blob.Repository = repository
	b.d.Blobs = append(b.d.Blobs, blob)
}

// manifest adds a manifest to a repository.
func (b *builder) manifest(repository, mediaType string, m map[string]any) descriptor {
	text := marshal(m)
	to := descriptor{MediaType: mediaType, Digest: digestOf(text), Size: int64(len(text))}
	b.d.Manifests = append(b.d.Manifests, Manifest{Repository: repository, Digest: to.Digest, MediaType: mediaType, Content: string(text)})
	return to
}

// digestOf gives the digest of a text.
func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// marshal gives the JSON form, the same every time.
func marshal(v map[string]any) []byte {
	text, err := json.Marshal(v) // with sorted keys
	if err != nil {
		panic(err) // texts and numbers
	}
	return text
}

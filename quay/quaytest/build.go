// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
)

// A builder builds images that can be pulled, and adds their manifests and blobs to a
// dataset.
type builder struct {
	d      *Dataset
	added  map[held]bool          // blobs in the dataset
	stored map[digest.Digest]bool // digests whose content is in the dataset
}

func newBuilder(d *Dataset) *builder {
	return &builder{d: d, added: map[held]bool{}, stored: map[digest.Digest]bool{}}
}

// held is a blob of a repository.
type held struct {
	repository string
	digest     digest.Digest
}

// A descriptor names a manifest or a blob of an image.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      digest.Digest     `json:"digest"`
	Size        int64             `json:"size"`
	Platform    map[string]any    `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// image builds an image of layers; made has the step that made each layer. It returns
// the image's descriptor and the size of its layers.
func (b *builder) image(repository, release, arch string, out time.Time, layers []descriptor, made []string) (descriptor, int64) {
	var size int64
	var steps []map[string]any
	var contents []digest.Digest
	for i, l := range layers {
		size += l.Size
		contents = append(contents, l.Digest) // of the uncompressed layer, which is the layer itself
		steps = append(steps, map[string]any{"created": out.Format(time.RFC3339), "created_by": made[i]})
	}
	config := b.text(repository, store.OCIConfig, marshal(map[string]any{
		"architecture": arch, "os": "linux", "created": out.Format(time.RFC3339),
		"config":  map[string]any{"Labels": map[string]string{"org.opencontainers.image.version": release}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": contents},
		"history": steps,
	}))
	m := b.manifest(repository, store.OCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": store.OCIManifest, "config": config, "layers": layers,
	})
	m.Platform = map[string]any{"architecture": arch, "os": "linux"}
	return m, size
}

// index builds an index of images.
func (b *builder) index(repository string, images ...descriptor) descriptor {
	return b.manifest(repository, store.OCIIndex, map[string]any{
		"schemaVersion": 2, "mediaType": store.OCIIndex, "manifests": images,
	})
}

// text adds a blob of a text to a repository.
func (b *builder) text(repository, mediaType string, text []byte) descriptor {
	b.add(repository, Blob{Digest: digest.FromBytes(text), Data: text})
	return descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
}

// synthetic adds a synthetic blob to a repository.
func (b *builder) synthetic(repository, mediaType string, blob Blob) descriptor {
	b.add(repository, blob)
	return descriptor{MediaType: mediaType, Digest: blob.Digest, Size: *blob.Size}
}

// add adds a blob to a repository. The dataset has the content of each digest once.
func (b *builder) add(repository string, blob Blob) {
	key := held{repository, blob.Digest}
	if b.added[key] {
		return
	}
	b.added[key] = true
	if b.stored[blob.Digest] {
		blob = Blob{Digest: blob.Digest}
	}
	b.stored[blob.Digest] = true
	blob.Repository = repository
	b.d.Blobs = append(b.d.Blobs, blob)
}

// manifest adds a manifest to a repository.
func (b *builder) manifest(repository, mediaType string, m map[string]any) descriptor {
	text := marshal(m)
	to := descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	b.d.Manifests = append(b.d.Manifests, Manifest{Repository: repository, Digest: to.Digest, MediaType: mediaType, Content: string(text)})
	return to
}

// marshal returns the JSON form, with sorted keys.
func marshal(v map[string]any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

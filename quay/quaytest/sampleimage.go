// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar" // not compressed: the same bytes with every compressor
)

// sampleImages makes the images of SampleDataset and puts their manifests and
// blobs into the dataset.
type sampleImages struct {
	d    *Dataset
	held map[content]bool // blobs that a repository has
	sent map[string]bool  // digests whose bytes are in the dataset
}

func newSampleImages(d *Dataset) *sampleImages {
	return &sampleImages{d: d, held: map[content]bool{}, sent: map[string]bool{}}
}

// A descriptor points from one text of an image to another.
type descriptor struct {
	MediaType string         `json:"mediaType"`
	Digest    string         `json:"digest"`
	Size      int64          `json:"size"`
	Platform  map[string]any `json:"platform,omitempty"`
}

// tags builds a service's image of a release and gives the rows of its tag.
// When it was rebuilt, the tag moved some days later and has two.
func (s *sampleImages) tags(service, release string, out time.Time, rebuilt bool) []Tag {
	rows := []Tag{s.tag(service, release, 1, out)}
	if rebuilt && release == SampleTag {
		moved := out.Add(12 * 24 * time.Hour)
		end := moved.UnixMilli()
		rows[0].EndMS = &end
		rows = append(rows, s.tag(service, release, 2, moved))
	}
	return rows
}

// tag builds one image, or an index of two for nova-compute.
func (s *sampleImages) tag(service, release string, build int, out time.Time) Tag {
	repository := SampleOrganization + "/" + service
	t := Tag{Name: release, StartMS: out.UnixMilli()}
	amd64, size := s.image(repository, release, build, "amd64", out)
	if service != "nova-compute" {
		t.Digest, t.Size = amd64.Digest, &size
		return t
	}
	arm64, _ := s.image(repository, release, build, "arm64", out)
	t.ManifestList = true
	t.Digest = s.manifest(repository, ociIndex, map[string]any{
		"schemaVersion": 2, "mediaType": ociIndex, "manifests": []descriptor{amd64, arm64},
	}).Digest
	return t
}

// image builds an image for one architecture: layers that all services share,
// that a release shares, and of its own. It gives the image's descriptor and
// the size of its layers.
func (s *sampleImages) image(repository, release string, build int, arch string, out time.Time) (descriptor, int64) {
	layers := []descriptor{
		s.layer(repository, "etc/os-release", "NAME=\"Sample Linux\"\nARCHITECTURE="+arch+"\n"+strings.Repeat("# base\n", 4000)),
		s.layer(repository, "etc/openstack-release", release+" "+arch+"\n"+strings.Repeat("# release\n", 1000)),
		s.layer(repository, "opt/"+repository, fmt.Sprintf("%s %s build %d %s\n", repository, release, build, arch)),
	}
	var size int64
	var steps []map[string]any
	var contents []string
	for i, l := range layers {
		size += l.Size
		contents = append(contents, l.Digest) // of the layer as it is: not compressed
		steps = append(steps, map[string]any{
			"created": out.Format(time.RFC3339), "created_by": []string{"base", "release", "service"}[i],
		})
	}
	config := s.blob(repository, ociConfig, marshal(map[string]any{
		"architecture": arch, "os": "linux", "created": out.Format(time.RFC3339),
		"config":  map[string]any{"Labels": map[string]string{"org.opencontainers.image.version": release}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": contents},
		"history": steps,
	}))
	m := s.manifest(repository, ociManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest, "config": config, "layers": layers,
	})
	m.Platform = map[string]any{"architecture": arch, "os": "linux"}
	return m, size
}

// layer makes a layer of one file.
func (s *sampleImages) layer(repository, name, text string) descriptor {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes what it gets, and names and sizes are ours
	}
	return s.blob(repository, ociLayer, b.Bytes())
}

// blob adds a blob to a repository; its bytes are kept once.
func (s *sampleImages) blob(repository, mediaType string, text []byte) descriptor {
	to := descriptor{MediaType: mediaType, Digest: digestOf(text), Size: int64(len(text))}
	if key := (content{repository, to.Digest}); !s.held[key] {
		s.held[key] = true
		b := Blob{Repository: repository, Digest: to.Digest}
		if !s.sent[to.Digest] {
			s.sent[to.Digest] = true
			encoded := base64.StdEncoding.EncodeToString(text)
			b.Base64 = &encoded
		}
		s.d.Blobs = append(s.d.Blobs, b)
	}
	return to
}

// manifest adds a manifest to a repository.
func (s *sampleImages) manifest(repository, mediaType string, m map[string]any) descriptor {
	text := marshal(m)
	to := descriptor{MediaType: mediaType, Digest: digestOf(text), Size: int64(len(text))}
	s.d.Manifests = append(s.d.Manifests, Manifest{Repository: repository, Digest: to.Digest, MediaType: mediaType, Content: string(text)})
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

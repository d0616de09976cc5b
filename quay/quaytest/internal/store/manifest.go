// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Media types of manifests and of what they name.
const (
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	OCIConfig      = "application/vnd.oci.image.config.v1+json"
	OCILayer       = "application/vnd.oci.image.layer.v1.tar" // not compressed: the same bytes with every compressor
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// EmptyLayer is a blob that every Quay has (image/docker/schema2).
const EmptyLayer digest.Digest = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"

// IsIndex reports whether a media type is that of an OCI index or a Docker
// manifest list.
func IsIndex(mediaType string) bool { return mediaType == OCIIndex || mediaType == DockerList }

// IsRemoteLayer reports whether layers of a media type are fetched from another
// server and never pushed.
func IsRemoteLayer(mediaType string) bool {
	return strings.Contains(mediaType, "nondistributable") || strings.Contains(mediaType, ".foreign.")
}

// A Layer is a layer in a manifest.
type Layer struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	URLs      []string      `json:"urls"`
}

// Remote reports whether the layer is fetched from another server and never pushed.
func (l Layer) Remote() bool { return IsRemoteLayer(l.MediaType) }

// An Image is the content of a manifest that is not an index.
type Image struct {
	Config struct {
		MediaType string        `json:"mediaType"`
		Digest    digest.Digest `json:"digest"`
	} `json:"config"`
	Layers      []Layer         `json:"layers"`
	Annotations json.RawMessage `json:"annotations"`

	// Artifact means that the manifest is not an image's: it is an OCI manifest with
	// another type of configuration.
	Artifact bool `json:"-"`
}

// Image returns the content of a manifest that is not an index. It reports false for
// an index and for text that is not JSON.
func (m *Manifest) Image() (i Image, ok bool) {
	if IsIndex(m.MediaType) || json.Unmarshal([]byte(m.Content), &i) != nil {
		return Image{}, false
	}
	i.Artifact = m.MediaType == OCIManifest && i.Config.MediaType != OCIConfig
	return i, true
}

// Config returns the configuration of an image, or nil if the repository lacks it or
// its content is synthetic.
func (s *Store) Config(repository string, i Image) []byte {
	blob := s.Content(i.Config.Digest)
	if blob == nil || !s.HasBlob(repository, i.Config.Digest) {
		return nil
	}
	return blob.Data
}

// A Manifest is the exact text that a digest names.
type Manifest struct {
	Repository string // "namespace/name"
	Digest     digest.Digest
	MediaType  string
	Content    string
}

// Children are the manifests that an index names.
type Children struct {
	Digests []digest.Digest
	Present []bool // whether the repository has the manifest
	Count   int    // of those present
}

// AddManifest adds a manifest.
func (s *Store) AddManifest(m *Manifest) {
	s.manifests[key{m.Repository, m.Digest}] = m
	s.manifestsOf[m.Repository] = append(s.manifestsOf[m.Repository], m)
}

// addChildren looks up the children of every index.
func (s *Store) addChildren() {
	for _, m := range s.manifests {
		if !IsIndex(m.MediaType) {
			continue
		}
		var index struct {
			Manifests []struct {
				Digest digest.Digest `json:"digest"`
			} `json:"manifests"`
		}
		if json.Unmarshal([]byte(m.Content), &index) != nil {
			continue
		}
		var c Children
		for _, child := range index.Manifests {
			has := s.Manifest(m.Repository, child.Digest) != nil
			c.Digests, c.Present = append(c.Digests, child.Digest), append(c.Present, has)
			if has {
				c.Count++
			}
		}
		s.children[m] = c
	}
}

// Manifest returns a manifest of a repository ("namespace/name"), or nil.
func (s *Store) Manifest(repository string, d digest.Digest) *Manifest {
	k := key{repository, d}
	if m := s.manifests[k]; m != nil {
		return m
	}
	if p := s.pushed.manifest(k); p != nil {
		return &p.Manifest
	}
	return nil
}

// Manifests returns all manifests of a repository: those of the dataset in their
// order, then those that were pushed.
func (s *Store) Manifests(repository string) []*Manifest {
	of := s.manifestsOf[repository]
	if id, ok := s.find(SplitName(repository)); ok {
		if v := s.pushed.version(id); v != nil && len(v.manifests) > 0 {
			return slices.Concat(of, v.manifests)
		}
	}
	return of
}

// Children returns the manifests that an index names; m may be nil.
func (s *Store) Children(m *Manifest) Children {
	if m == nil {
		return Children{}
	}
	if c, ok := s.children[m]; ok {
		return c
	}
	if p := s.pushed.manifest(key{m.Repository, m.Digest}); p != nil {
		return p.children
	}
	return Children{}
}

// Names reports whether a digest of the repository is that of an index that
// names a child.
func (s *Store) Names(r *Repository, index, child digest.Digest) bool {
	m := s.Manifest(r.FullName(), index)
	return m != nil && slices.Contains(s.Children(m).Digests, child)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifest parses image manifests and indexes, of OCI and of Docker, and walks
// the manifests and blobs that they list.
//
// Parse checks a manifest before use: its digests are safe as names of files, its sizes
// are not negative, and the number of its entries is limited. A Graph (graph.go) walks
// from a manifest to everything below it; layouts, archives and copies all use it.
//
// The package fetches nothing and stores nothing. It imports no other package of
// quayside.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// MaxSize is the largest manifest or index, in bytes. Registries accept no more.
	MaxSize = 4 << 20
	// maxEntries limits the layers of an image, and the images of an index.
	maxEntries = 10_000
)

// Media types that ocispec does not define.
const (
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	OctetStream    = "application/octet-stream"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerForeign  = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// AnnotationContainerdName is the annotation of an index entry in which containerd, docker
// and podman store an image's name. OCI's is ocispec.AnnotationRefName.
const AnnotationContainerdName = "io.containerd.image.name"

// ErrUnsupported is the error for a media type that is not a manifest, and for Docker's
// schema 1, whose content does not match its digest (use errors.Is).
var ErrUnsupported = errors.New("unsupported manifest")

// Accept returns the media types to request from a registry. If the type of an image
// is not among them, Quay converts the image, which changes the digest
// (doc/quay-api.md, "Recorded").
func Accept() []string {
	return []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, DockerManifest, DockerIndex}
}

// A Manifest is a parsed image manifest or index.
type Manifest struct {
	MediaType    string
	ArtifactType string               // set for an artifact that is not an image; since OCI 1.1
	Config       *ocispec.Descriptor  // nil for an index
	Layers       []ocispec.Descriptor // in order; a layer may be listed twice
	Children     []ocispec.Descriptor // of an index
	Subject      *ocispec.Descriptor  // the manifest that a referrer refers to; may be nil
	Annotations  map[string]string
}

// IsIndex reports whether m is an index of manifests, not an image.
func (m Manifest) IsIndex() bool { return IsIndex(m.MediaType) }

// IsIndex reports whether a media type is OCI's or Docker's type of an index.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == DockerIndex
}

// IsManifest reports whether a media type is a type of image manifests or indexes.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || mediaType == ocispec.MediaTypeImageManifest || mediaType == DockerManifest
}

// IsImageConfig reports whether a media type may be a type of image configurations. Old
// tools used application/octet-stream, also for content that is not an image.
func IsImageConfig(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageConfig || mediaType == dockerConfig || mediaType == OctetStream
}

// MediaType returns the media type of a manifest that was received without a type: the
// type that the content names or that its form implies. It returns "" if the content
// is not a manifest. The caller checks the digest.
func MediaType(content []byte) string {
	var wire struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
		Config        *struct {
			MediaType string `json:"mediaType"`
		} `json:"config"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if len(content) > MaxSize || json.Unmarshal(content, &wire) != nil || wire.SchemaVersion != 2 {
		return ""
	}
	switch {
	case wire.MediaType != "" && !IsManifest(wire.MediaType):
		return ""
	case wire.MediaType != "":
		return wire.MediaType
	case wire.Manifests != nil: // Docker's always name their type
		return ocispec.MediaTypeImageIndex
	case wire.Config == nil:
		return ""
	case strings.HasPrefix(wire.Config.MediaType, "application/vnd.docker."):
		return DockerManifest
	}
	return ocispec.MediaTypeImageManifest
}

// Blobs returns the configuration and the layers that registries distribute, each
// once.
func (m Manifest) Blobs() []ocispec.Descriptor {
	var blobs []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	add := func(d ocispec.Descriptor) {
		if !seen[d.Digest] && Distributable(d.MediaType) {
			seen[d.Digest] = true
			blobs = append(blobs, d)
		}
	}
	if m.Config != nil {
		add(*m.Config)
	}
	for _, d := range m.Layers {
		add(d)
	}
	return blobs
}

// Distributable reports whether registries distribute layers of this media type. Base
// layers of Windows come from Microsoft's servers instead.
func Distributable(mediaType string) bool {
	return mediaType != dockerForeign && !strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.nondistributable.")
}

// JSONError rewrites an error of encoding/json without the names of Go types.
func JSONError(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && wrong.Field == "":
		wanted := "object"
		if wrong.Type != nil && wrong.Type.Kind() == reflect.Slice {
			wanted = "array"
		}
		return fmt.Errorf("it is a JSON %.100s, not a JSON %s", wrong.Value, wanted)
	case ok:
		return fmt.Errorf("%s cannot be %.100s", wrong.Field, wrong.Value)
	}
	return err
}

// Parse parses a manifest of a media type. It returns ErrUnsupported if the type is
// not supported, and another error if the content is invalid. It does not compare the
// content with a digest.
func Parse(mediaType string, content []byte) (Manifest, error) {
	if !IsManifest(mediaType) {
		return Manifest{}, fmt.Errorf("%w: media type %q", ErrUnsupported, mediaType)
	}
	if len(content) > MaxSize {
		return Manifest{}, fmt.Errorf("manifest has %d bytes; the limit is %d", len(content), MaxSize)
	}
	var wire struct {
		SchemaVersion int                  `json:"schemaVersion"`
		MediaType     string               `json:"mediaType"`
		ArtifactType  string               `json:"artifactType"`
		Config        *ocispec.Descriptor  `json:"config"`
		Layers        []ocispec.Descriptor `json:"layers"`
		Manifests     []ocispec.Descriptor `json:"manifests"`
		Subject       *ocispec.Descriptor  `json:"subject"`
		Annotations   map[string]string    `json:"annotations"`
	}
	if err := json.Unmarshal(content, &wire); err != nil {
		return Manifest{}, fmt.Errorf("manifest cannot be parsed: %w", JSONError(err))
	}
	if wire.SchemaVersion != 2 {
		return Manifest{}, fmt.Errorf("%w: schema version %d", ErrUnsupported, wire.SchemaVersion)
	}
	if wire.MediaType != "" && wire.MediaType != mediaType {
		return Manifest{}, fmt.Errorf("manifest names the media type %q but was served as %q", wire.MediaType, mediaType)
	}
	m := Manifest{MediaType: mediaType, ArtifactType: wire.ArtifactType, Subject: wire.Subject, Annotations: wire.Annotations}
	if m.IsIndex() {
		if wire.Config != nil || wire.Layers != nil {
			return Manifest{}, errors.New("an index must not have a configuration or layers")
		}
		m.Children = wire.Manifests
	} else {
		if wire.Manifests != nil {
			return Manifest{}, errors.New("an image manifest must not list manifests")
		}
		if wire.Config == nil {
			return Manifest{}, errors.New("image manifest has no configuration")
		}
		m.Config, m.Layers = wire.Config, wire.Layers
	}
	return m, m.check()
}

// check returns an error if the manifest has too many entries or an invalid descriptor.
func (m Manifest) check() error {
	if n := max(len(m.Layers), len(m.Children)); n > maxEntries {
		return fmt.Errorf("manifest has %d entries; the limit is %d", n, maxEntries)
	}
	all := slices.Concat(m.Layers, m.Children)
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	for _, d := range all {
		if err := Check(d); err != nil {
			return err
		}
	}
	return nil
}

// maxDigest bounds the text of an invalid digest, in bytes.
const maxDigest = 200

// ParseEntry reads an entry of an index.json. If the entry is not a valid descriptor, it
// returns an error, and a descriptor with the digest and the annotations as far as they can
// be read, for use in messages.
func ParseEntry(raw json.RawMessage) (ocispec.Descriptor, error) {
	var d ocispec.Descriptor
	err := json.Unmarshal(raw, &d)
	if err != nil {
		err = JSONError(err)
	} else {
		err = Check(d)
	}
	if err != nil {
		var fields map[string]json.RawMessage
		d = ocispec.Descriptor{}
		_ = json.Unmarshal(raw, &fields)
		_ = json.Unmarshal(fields["digest"], &d.Digest)
		if len(d.Digest) > maxDigest {
			d.Digest = ""
		}
		_ = json.Unmarshal(fields["annotations"], &d.Annotations)
	}
	return d, err
}

// Check returns an error if a descriptor has an invalid digest, a digest of an unknown
// algorithm, or a negative size.
func Check(d ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("digest %.100q: %w", d.Digest.String(), err)
	}
	if d.Size < 0 {
		return fmt.Errorf("%s has a negative size", d.Digest)
	}
	return nil
}

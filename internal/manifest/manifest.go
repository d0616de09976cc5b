// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifest reads image manifests and indexes, of OCI and of Docker: what
// they point to, checked before anyone follows it.
//
// It is a leaf that layout, registry and mirror share. It fetches nothing and
// stores nothing. What Parse lets through has digests that can be a file's name,
// sizes that are not negative, and no more entries than an image can need.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// MaxSize bounds a manifest or an index, in bytes: what registries take.
	MaxSize = 4 << 20
	// maxEntries bounds the layers of an image and the images of an index.
	maxEntries = 10_000
)

// The media types of Docker, which OCI's follow.
const (
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	OctetStream    = "application/octet-stream"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerForeign  = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// ErrUnsupported is met by the error for a media type that is no manifest, and
// for Docker's schema 1, whose content does not fit its digest.
var ErrUnsupported = errors.New("unsupported manifest")

// Accept lists the media types to ask a registry for. A Quay converts an image
// whose own type is not among those it is asked for, which changes the digest
// (doc/quay-api.md, "Recorded").
func Accept() []string {
	return []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, DockerManifest, DockerIndex}
}

// A Manifest is what an image manifest or an index says. A plain value.
type Manifest struct {
	MediaType    string
	ArtifactType string // what it is, when it is no image; of OCI 1.1
	Config       *ocispec.Descriptor
	Layers       []ocispec.Descriptor // in order; the same one may be there twice
	Children     []ocispec.Descriptor // of an index
	Subject      *ocispec.Descriptor  // what it was attached to
	Annotations  map[string]string
}

// IsIndex tells whether it is an index of manifests, not an image.
func (m Manifest) IsIndex() bool { return IsIndex(m.MediaType) }

// IsIndex tells whether a media type is that of an index, OCI's or Docker's.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == DockerIndex
}

// IsManifest tells whether a media type is that of an image manifest or of an
// index.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || mediaType == ocispec.MediaTypeImageManifest || mediaType == DockerManifest
}

// IsImageConfig reports whether a media type may be that of an image's configuration.
// Old tools wrote application/octet-stream, and not for images only.
func IsImageConfig(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageConfig || mediaType == dockerConfig || mediaType == OctetStream
}

// MediaType returns the media type of a manifest whose sender did not name it: the
// one in the content, or the one that the content's form implies. "" means that
// the content is no manifest. Whoever relies on it checks the digest.
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

// Blobs returns the configuration and the layers, each once, without those
// layers that a registry does not give out.
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

// Distributable tells whether a registry gives out layers of this media type.
// Those of Windows' base images are fetched from where they come from.
func Distributable(mediaType string) bool {
	return mediaType != dockerForeign && !strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.nondistributable.")
}

// Fault returns an error of encoding/json without the names of Go's types.
func Fault(err error) error {
	kind, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && kind.Field == "":
		wanted := "object"
		if kind.Type != nil && kind.Type.Kind() == reflect.Slice {
			wanted = "list"
		}
		return fmt.Errorf("it is of JSON type %.100s, and no %s", kind.Value, wanted)
	case ok:
		return fmt.Errorf("%s cannot be %.100s", kind.Field, kind.Value)
	}
	return err
}

// Parse reads a manifest of a media type. An error that meets ErrUnsupported is
// of the type, any other of the content. The content is not compared with any
// digest.
func Parse(mediaType string, content []byte) (Manifest, error) {
	if !IsManifest(mediaType) {
		return Manifest{}, fmt.Errorf("%w: media type %q", ErrUnsupported, mediaType)
	}
	if len(content) > MaxSize {
		return Manifest{}, fmt.Errorf("manifest of %d bytes, and %d is the limit", len(content), MaxSize)
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
		return Manifest{}, fmt.Errorf("manifest is no JSON of its kind: %w", Fault(err))
	}
	if wire.SchemaVersion != 2 {
		return Manifest{}, fmt.Errorf("%w: schema version %d", ErrUnsupported, wire.SchemaVersion)
	}
	if wire.MediaType != "" && wire.MediaType != mediaType {
		return Manifest{}, fmt.Errorf("manifest calls itself %q and was served as %q", wire.MediaType, mediaType)
	}
	m := Manifest{MediaType: mediaType, ArtifactType: wire.ArtifactType, Subject: wire.Subject, Annotations: wire.Annotations}
	if m.IsIndex() {
		if wire.Config != nil || wire.Layers != nil {
			return Manifest{}, errors.New("index has a configuration or layers, as an image has")
		}
		m.Children = wire.Manifests
	} else {
		if wire.Manifests != nil {
			return Manifest{}, errors.New("image manifest lists manifests, as an index does")
		}
		if wire.Config == nil {
			return Manifest{}, errors.New("image manifest has no configuration")
		}
		m.Config, m.Layers = wire.Config, wire.Layers
	}
	return m, m.check()
}

// check refuses what must not be followed.
func (m Manifest) check() error {
	if n := max(len(m.Layers), len(m.Children)); n > maxEntries {
		return fmt.Errorf("manifest has %d entries, and %d is the limit", n, maxEntries)
	}
	all := append(append([]ocispec.Descriptor(nil), m.Layers...), m.Children...)
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

// Check tells what is wrong with a descriptor: a digest that is none, or of an
// algorithm nobody knows, or a negative size.
func Check(d ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("digest %.100q: %w", d.Digest.String(), err)
	}
	if d.Size < 0 {
		return fmt.Errorf("%s has a negative size", d.Digest)
	}
	return nil
}

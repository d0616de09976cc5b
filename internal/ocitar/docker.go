// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ocitar

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// A dockerImage is an entry of manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerImages returns the entries of manifest.json. An image with several names has
// one entry. An entry of the index without a tag has no name in docker.
func dockerImages(c Contents) []*dockerImage {
	images := []*dockerImage{}
	known := map[digest.Digest]*dockerImage{}
	for _, d := range c.Index {
		m, ok := c.Docker[d.Digest]
		if !ok {
			continue
		}
		i := known[d.Digest]
		if i == nil {
			i = &dockerImage{Config: blobName(m.Config.Digest), Layers: []string{}}
			for _, layer := range m.Layers {
				i.Layers = append(i.Layers, blobName(layer.Digest))
			}
			known[d.Digest] = i
			images = append(images, i)
		}
		if name := Name(d); name != "" && !strings.Contains(name, "@") && !slices.Contains(i.RepoTags, name) {
			i.RepoTags = append(i.RepoTags, name)
		}
	}
	return images
}

// layerTypes are the media types of layers that docker unpacks.
var layerTypes = []string{
	ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
	"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
}

// CheckManifest returns an error if the manifest shows that docker load cannot load the
// image: because it is an artifact and not an image, or because it has layers that
// registries do not distribute or of a media type that docker cannot unpack.
func CheckManifest(m manifest.Manifest) error {
	if m.IsIndex() {
		return errors.New("it is an index and not an image")
	}
	what := m.ArtifactType
	if what == "" && !manifest.IsImageConfig(m.Config.MediaType) {
		what = m.Config.MediaType
	}
	if what != "" {
		return fmt.Errorf("it is %q and not an image", what)
	}
	for _, d := range m.Layers {
		switch {
		case !manifest.Distributable(d.MediaType):
			return fmt.Errorf("docker needs all layers, and registries do not distribute layer %s", d.Digest)
		case !slices.Contains(layerTypes, d.MediaType):
			return fmt.Errorf("layer %s is of media type %q, which docker cannot unpack", d.Digest, d.MediaType)
		}
	}
	return nil
}

// A DockerConfig has the fields of an image's configuration that docker load checks.
type DockerConfig struct {
	OS      string          // may be ""
	DiffIDs []digest.Digest // of the unpacked layers, in order
}

// stringOrList is a list of strings, or a single one, which docker accepts as a list.
type stringOrList []string

// UnmarshalJSON decodes either form.
func (s *stringOrList) UnmarshalJSON(text []byte) error {
	var single string
	if json.Unmarshal(text, &single) == nil {
		*s = stringOrList{single}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(s))
}

// ParseDockerConfig reads the configuration of an image with this many layers. It is
// as strict as docker load in the fields that docker reads.
func ParseDockerConfig(content []byte, layers int) (DockerConfig, error) {
	var c *struct {
		Created                                   *time.Time `json:"created"`
		Author, Architecture, Variant, OS, Parent string
		OSVersion                                 string   `json:"os.version"`
		OSFeatures                                []string `json:"os.features"`
		Config                                    *struct {
			User, WorkingDir, StopSignal string
			Env, OnBuild                 []string
			Cmd, Entrypoint, Shell       stringOrList
			Labels                       map[string]string
			Volumes, ExposedPorts        map[string]struct{}
		}
		RootFS *struct {
			Type    string
			DiffIDs []digest.Digest `json:"diff_ids"`
		}
		History []struct {
			Created    *time.Time
			CreatedBy  string `json:"created_by"`
			Author     string
			Comment    string
			EmptyLayer bool `json:"empty_layer"`
		}
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return DockerConfig{}, fmt.Errorf("its configuration cannot be parsed: %w", manifest.JSONError(err))
	}
	if c == nil || c.RootFS == nil {
		return DockerConfig{}, errors.New("its configuration has no rootfs, which an image needs")
	}
	diffs := c.RootFS.DiffIDs
	if len(diffs) != layers {
		return DockerConfig{}, fmt.Errorf("its configuration has %d diff_ids, for %d layers", len(diffs), layers)
	}
	for _, d := range diffs {
		if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
			return DockerConfig{}, fmt.Errorf("its configuration has the diff_id %.100q, which is not a SHA-256 digest", d.String())
		}
	}
	full := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			full++
		}
	}
	if full > layers {
		return DockerConfig{}, fmt.Errorf("the history in its configuration has %d layers, but the image has %d", full, layers)
	}
	if c.OS != "" && c.OS != "linux" && c.OS != "windows" {
		return DockerConfig{}, fmt.Errorf("it is for the operating system %.100q", c.OS)
	}
	return DockerConfig{c.OS, diffs}, nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"encoding/json"
	"fmt"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// maxConfig is the maximal size of a configuration, in bytes.
const maxConfig = 8 << 20

// A config has the fields that are used of an image's configuration.
type config struct {
	Platform ocispec.Platform
	Created  time.Time // zero: unknown
	Labels   map[string]string
}

// parseConfig reads a configuration. A configuration of another kind, such as that of a
// chart or a signature, names no platform and is not an error.
func parseConfig(mediaType string, content []byte) (config, error) {
	if !manifest.IsImageConfig(mediaType) {
		return config{}, nil
	}
	var wire struct {
		Created      string `json:"created"`
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
		OSVersion    string `json:"os.version"`
		Config       struct {
			Labels map[string]string `json:"Labels"`
		} `json:"config"`
	}
	if err := json.Unmarshal(content, &wire); err != nil && mediaType == manifest.OctetStream {
		return config{}, nil // another tool's
	} else if err != nil {
		return config{}, fmt.Errorf("it is not valid JSON of its kind: %w", manifest.JSONError(err))
	}
	created, _ := time.Parse(time.RFC3339, wire.Created)
	return config{
		Platform: ocispec.Platform{OS: wire.OS, Architecture: wire.Architecture, Variant: wire.Variant, OSVersion: wire.OSVersion},
		Created:  created,
		Labels:   wire.Config.Labels,
	}, nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// Info describes an image.
type Info struct {
	Reference string
	Digest    digest.Digest
	MediaType string
	Images    []PlatformInfo // one for each platform, in the order of the index
}

// PlatformInfo describes the image for one platform. Attestations have none.
type PlatformInfo struct {
	Platform ocispec.Platform // zero for an artifact that does not run, such as a chart
	Digest   digest.Digest
	Created  time.Time // zero: not known
	Labels   map[string]string
	Layers   []ocispec.Descriptor // in order
	Size     int64                // bytes of the layers, compressed, and the configuration
}

// inspections is how many configurations are read at once.
const inspections = 4

// Inspect describes an image by its manifests and configurations, and checks their
// digests. It fetches no layer and stores nothing.
func Inspect(ctx context.Context, r *registry.Registry, i Image) (Info, error) {
	info, err := inspect(ctx, r, i)
	if err != nil {
		return Info{}, fmt.Errorf("%s: %w", i.Reference(), err)
	}
	return info, nil
}

func inspect(ctx context.Context, r *registry.Registry, i Image) (Info, error) {
	from, d, err := newSources(func(string) (*registry.Registry, error) { return r, nil }).find(ctx, i)
	if err != nil {
		return Info{}, err
	}
	info := Info{Reference: i.Reference(), Digest: d}
	cache := newManifestCache(nil, true)
	var images []PlatformInfo
	var configs []ocispec.Descriptor
	w := walker{cache: cache, from: from, visit: func(n *manifest.Node, _ bool) {
		if n.Manifest.IsIndex() || n.Platform != nil && !manifest.Runs(n.Platform) {
			return // an attestation has no platform
		}
		i := PlatformInfo{Digest: n.Digest, Layers: n.Manifest.Layers, Size: n.Manifest.Config.Size}
		if n.Platform != nil {
			i.Platform = *n.Platform
		}
		for _, l := range i.Layers {
			i.Size += l.Size
		}
		images, configs = append(images, i), append(configs, *n.Manifest.Config)
	}}
	t, err := w.walk(ctx, info.Digest)
	if err != nil {
		return Info{}, err
	}
	info.MediaType, info.Images = t.root.MediaType, images
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inspections)
	for n := range images {
		group.Go(func() error { return images[n].describe(ctx, cache, from, configs[n]) })
	}
	return info, group.Wait()
}

// describe adds the fields of the configuration.
func (i *PlatformInfo) describe(ctx context.Context, s manifestCache, from *source, d ocispec.Descriptor) error {
	if !manifest.IsImageConfig(d.MediaType) {
		return nil // of a chart, or of a signature
	}
	c, err := s.parsedConfig(ctx, from, d)
	if err != nil {
		return err
	}
	i.Created, i.Labels = c.Created, c.Labels
	if i.Platform.OS == "" {
		i.Platform = c.Platform
	}
	return nil
}

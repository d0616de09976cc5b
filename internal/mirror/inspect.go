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

// Info is what an image is made of.
type Info struct {
	Reference string
	Digest    digest.Digest
	MediaType string
	Images    []PlatformInfo // one for an image; for an index one a platform, in its order
}

// PlatformInfo is what one image for one platform is made of. Attestations that
// an index lists are none.
type PlatformInfo struct {
	Platform ocispec.Platform // zero for what is no image to run, such as a chart
	Digest   digest.Digest
	Created  time.Time // zero: it does not say
	Labels   map[string]string
	Layers   []ocispec.Descriptor // in order
	Size     int64                // of layers and configuration, compressed bytes
}

// inspections is how many images of an index are looked at, at once.
const inspections = 4

// Inspect tells about an image from its manifests and configurations, which are
// checked against their digests. No layer is fetched, and nothing is kept.
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
	w := walker{cache: cache, from: from, image: func(d ocispec.Descriptor, m manifest.Manifest) {
		if d.Platform != nil && !manifest.Runs(d.Platform) {
			return // an attestation
		}
		i := PlatformInfo{Digest: d.Digest, Layers: m.Layers, Size: m.Config.Size}
		if d.Platform != nil {
			i.Platform = *d.Platform
		}
		for _, l := range m.Layers {
			i.Size += l.Size
		}
		images, configs = append(images, i), append(configs, *m.Config)
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

// describe fills in what the configuration tells.
func (i *PlatformInfo) describe(ctx context.Context, s manifestCache, from *source, d ocispec.Descriptor) error {
	if !manifest.IsImageConfig(d.MediaType) {
		return nil // of a chart, or of a signature
	}
	content, err := s.config(ctx, from, d)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	c, err := parseConfig(d.MediaType, content)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	i.Created, i.Labels = c.Created, c.Labels
	if i.Platform.OS == "" {
		i.Platform = c.Platform
	}
	return nil
}

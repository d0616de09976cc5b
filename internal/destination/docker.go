// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/ocitar"
)

// DockerArchive returns a destination that writes a tar for docker load and podman load.
// It is an archive of OCIArchive with manifest.json added, as docker save has written it
// since version 25. Docker with containerd's image store, and podman, read the layout and
// keep the digests. Other programs read manifest.json. Layers stay compressed, and each
// is stored once. The file "repositories", which only docker before 1.10 needs, is omitted.
//
// Docker load stops at the first image that it cannot load. Therefore the following
// images are refused:
//   - An index, unless exactly one of its images was chosen.
//   - An artifact that is not an image, and an image with layers that registries do not
//     distribute.
//   - An image whose configuration docker cannot read, or whose layers are not tars that
//     match its diff_ids.
//   - An image for another operating system than system, unless that is "".
//   - A repository name that docker cannot read.
//
// Signatures and attestations are left out. An image without a tag has no name after
// loading. Each run examines an image of an index again, because the user may have chosen
// another platform: this requests two manifests and no blob.
func DockerArchive(file string, o layout.Options, system string) (Destination, error) {
	a, err := openArchive(dockerKind, file, o)
	if err != nil {
		return nil, err
	}
	return &dockerArchive{archive: a, system: system}, nil
}

// A dockerArchive is an archive that docker loads.
type dockerArchive struct {
	*archive
	system string // the operating system of images; "": any
}

// KeepsReferrers returns false.
func (a *dockerArchive) KeepsReferrers() bool { return false }

// Check returns an error if the manifests show that docker cannot load the image.
func (a *dockerArchive) Check(_ context.Context, s Staged, manifests map[digest.Digest]manifest.Manifest) error {
	_, err := a.choose(s, func(d ocispec.Descriptor) (manifest.Manifest, error) { return manifests[d.Digest], nil })
	return err
}

// Has looks for the image or, for an index, for its one chosen image. Earlier versions
// wrote images that docker cannot load: they count as missing.
func (a *dockerArchive) Has(ctx context.Context, s Staged) (Found, error) {
	if len(s.Manifests) > 0 {
		images := manifest.Images(s.Manifests)
		if len(images) != 1 {
			return Found{}, nil // Check returns the error
		}
		s.Root, s.Manifests = images[0], images
	}
	d, there := a.image(a.Name(s.Image))
	f, err := a.archive.Has(ctx, s)
	if !f.Present || err != nil {
		f.MaybePartial = there && len(s.Manifests) == 0 // an index is stored as one of its images, under its name
		return f, err
	}
	if _, _, err := a.loadable(ctx, d); err != nil {
		if ctx.Err() != nil || IsFatal(err) {
			return Found{}, err
		}
		return Found{}, nil
	}
	return f, nil
}

// Commit adds the image or, for an index, its one chosen image. Before that it reads the
// whole image, as docker load does, unless the archive has the image already.
func (a *dockerArchive) Commit(ctx context.Context, s Staged) error {
	image, err := a.choose(s, func(d ocispec.Descriptor) (manifest.Manifest, error) { return a.parse(ctx, d) })
	if err != nil {
		return err
	}
	s.Root, s.Manifests, s.Referrers, s.Sparse = image, []ocispec.Descriptor{image}, nil, false
	f, err := a.archive.Has(ctx, s)
	if err == nil && !f.Present {
		if err = a.checkBlobs(ctx, s); err == nil {
			err = a.check(ctx, image)
		}
	}
	if err != nil {
		return err
	}
	return a.archive.Commit(ctx, s)
}

// choose returns the image to load: the only one among the staged manifests.
func (a *dockerArchive) choose(s Staged, parse func(ocispec.Descriptor) (manifest.Manifest, error)) (image ocispec.Descriptor, err error) {
	if err := checkRepository(s.Repository); err != nil {
		return image, &FormatError{fmt.Errorf("docker cannot read the name: %w; copy it to an oci-archive", err)}
	}
	images := manifest.Images(s.Manifests)
	if n := len(images); n != 1 {
		if n == 0 {
			index, err := parse(s.Root)
			if err != nil {
				return image, err
			}
			images = manifest.Images(index.Children)
		}
		if len(images) == 0 {
			return image, unloadable(errors.New("its index lists no image"))
		}
		return image, &FormatError{fmt.Errorf("a docker archive holds one image of an index, and %d are chosen: %s, or copy to an oci-archive",
			n, ChoiceAdvice(s.Host+"/"+s.Repository, images))}
	}
	image = ocispec.Descriptor{MediaType: images[0].MediaType, Digest: images[0].Digest, Size: images[0].Size}
	m, err := parse(image)
	if err != nil {
		return image, err
	}
	return image, unloadable(ocitar.CheckManifest(m))
}

// unloadable returns the error for an image that docker load refuses.
func unloadable(err error) error {
	if err == nil {
		return nil
	}
	return &FormatError{fmt.Errorf("docker cannot load this image: %w; copy it to an oci-archive", err)}
}

// loadable returns the manifest and the configuration of an entry, or an error if docker
// cannot load it. For an index, which another tool may have written, docker loads the one
// image that is present.
func (a *archive) loadable(ctx context.Context, d ocispec.Descriptor) (m manifest.Manifest, c ocitar.DockerConfig, err error) {
	if m, err = a.parse(ctx, d); err != nil {
		return m, c, err
	}
	if m.IsIndex() {
		var there []ocispec.Descriptor
		for _, image := range manifest.Images(m.Children) {
			if ok, err := a.hasBlob(ctx, image); err != nil {
				return m, c, err
			} else if ok {
				there = append(there, image)
			}
		}
		if len(there) != 1 {
			return m, c, fmt.Errorf("%s is an index with %d images present, and docker loads only one", d.Digest, len(there))
		}
		if m, err = a.parse(ctx, there[0]); err != nil {
			return m, c, err
		}
	}
	if err := ocitar.CheckManifest(m); err != nil {
		return m, c, unloadable(err)
	}
	if m.Config.Size > manifest.MaxSize {
		return m, c, unloadable(fmt.Errorf("its configuration has %d bytes; the limit is %d", m.Config.Size, manifest.MaxSize))
	}
	text, err := a.read(ctx, *m.Config)
	if err != nil {
		return m, c, err
	}
	c, err = ocitar.ParseDockerConfig(text, len(m.Layers))
	return m, c, unloadable(err)
}

// check reads a whole image, as docker load does: its configuration and each layer. It
// unpacks each layer and compares it with its diff_id.
func (a *dockerArchive) check(ctx context.Context, d ocispec.Descriptor) error {
	m, c, err := a.loadable(ctx, d)
	if err != nil {
		return err
	}
	if a.system != "" && c.OS != "" && c.OS != a.system {
		return unloadable(fmt.Errorf("it is for %s, and docker on %s refuses it: if the archive is for %s, choose its platform with --platform", c.OS, a.system, c.OS))
	}
	for i, layer := range m.Layers {
		got, err := a.diffID(ctx, layer.Digest)
		if ctx.Err() != nil || IsFatal(err) || errors.Is(err, layout.ErrUnreadable) {
			return err
		}
		if err == nil && got != c.DiffIDs[i] {
			err = fmt.Errorf("it unpacks to %s, and the configuration's diff_id is %s", got, c.DiffIDs[i])
		}
		if err != nil {
			return unloadable(fmt.Errorf("layer %s: %w", layer.Digest, err))
		}
	}
	return nil
}

// diffID returns the digest of an unpacked layer. Each layer is read once.
func (a *archive) diffID(ctx context.Context, d digest.Digest) (digest.Digest, error) {
	a.mu.Lock()
	read := a.diffIDs[d]
	if read == nil {
		read = sync.OnceValues(func() (digest.Digest, error) {
			blob, err := a.open(d)
			if err != nil {
				return "", err
			}
			defer blob.Close()
			return ocitar.DiffID(ctx, blob)
		})
		a.diffIDs[d] = read
	}
	a.mu.Unlock()
	return read()
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/ocitar"
)

// ToDockerArchive copies into file, a tar that docker load, podman load and
// skopeo's docker-archive: read, with many images and each layer once. It is
// ToOCIArchive with manifest.json added, which is the form that docker save has
// written since version 25: docker with containerd's store, and podman, read
// the layout in it and keep the digests; everyone else reads manifest.json.
// Layers are as the registry has them, compressed mostly. There is no file
// "repositories": only docker before 1.10 needs it. Blobs are staged in the
// folder file.quayside-docker.
//
// The format holds less than a layout, and what it cannot hold is an error:
//   - One platform of an image. Of an index, the one image that is staged is
//     taken; with more, the image fails and is told what platforms there are.
//   - Images only, with all their layers: no charts. Signatures of an image are
//     left out, and attestations in an index; KeepsReferrers is false.
//   - Images that docker loads: a configuration that docker reads, with a diff_id
//     for each layer, and layers that are tars and fit their diff_ids. Docker
//     stops at the first image that is not so, and on Linux at one for Windows:
//     unless system is "", an image must be for that operating system.
//   - Names that docker reads: with one that it does not, it loads none of the
//     images that follow. An image known by digest alone has no name when it
//     was loaded.
//
// An image of an index is examined again in each run, because another platform may be
// chosen by now: two manifests are requested, and no blob.
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
	system string // images have to be for; "": for any that docker knows
}

// KeepsReferrers is false: there is no place for them.
func (a *dockerArchive) KeepsReferrers() bool { return false }

// Check refuses what the format cannot hold.
func (a *dockerArchive) Check(_ context.Context, s Staged, manifests map[digest.Digest]manifest.Manifest) error {
	_, err := a.choose(s, func(d ocispec.Descriptor) (manifest.Manifest, error) { return manifests[d.Digest], nil })
	return err
}

// Has looks for the image or, of an index, for the one image that was chosen. An image
// that docker cannot load, which an earlier version has written, is not there.
func (a *dockerArchive) Has(ctx context.Context, s Staged) (Found, error) {
	if len(s.Manifests) > 0 {
		images := slices.DeleteFunc(slices.Clone(s.Manifests), func(d ocispec.Descriptor) bool {
			return manifest.IsIndex(d.MediaType) || d.Annotations[manifest.AttestationOf] != ""
		})
		if len(images) != 1 {
			return Found{}, nil // Check returns the error
		}
		s.Root, s.Manifests = images[0], images
	}
	d, there := a.image(a.Name(s.Image))
	f, err := a.archive.Has(ctx, s)
	if !f.Present || err != nil {
		f.MaybePartial = there && len(s.Manifests) == 0 // one image of an index has its name
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

// Commit notes the image, or of an index the one that is staged. Before that it
// reads all of the image as docker load does: docker loads none of the images
// that follow one it refuses. An image that is there was read before.
func (a *dockerArchive) Commit(ctx context.Context, s Staged) error {
	image, err := a.choose(s, func(d ocispec.Descriptor) (manifest.Manifest, error) { return a.parse(ctx, d) })
	if err != nil {
		return err
	}
	s.Root, s.Manifests, s.Attached, s.Sparse = image, []ocispec.Descriptor{image}, nil, false
	f, err := a.archive.Has(ctx, s)
	if err == nil && !f.Present {
		if err = a.lacks(ctx, s); err == nil {
			err = a.check(ctx, image, a.system)
		}
	}
	if err != nil {
		return err
	}
	return a.archive.Commit(ctx, s)
}

// choose returns the image to load.
func (a *dockerArchive) choose(s Staged, parse func(ocispec.Descriptor) (manifest.Manifest, error)) (ocispec.Descriptor, error) {
	image := s.Root
	if err := checkRepository(s.Repository); err != nil {
		return image, fmt.Errorf("a docker archive has names that docker reads, and %w: copy it to an oci-archive", err)
	}
	m, err := parse(s.Root)
	if err != nil {
		return image, err
	}
	if m.IsIndex() {
		staged := map[digest.Digest]bool{}
		for _, d := range s.Manifests {
			staged[d.Digest] = true
		}
		var images []ocispec.Descriptor
		for _, d := range m.Children {
			if staged[d.Digest] && !manifest.IsIndex(d.MediaType) && d.Annotations[manifest.AttestationOf] == "" {
				delete(staged, d.Digest) // an index may list an image twice
				images = append(images, d)
			}
		}
		if len(images) != 1 {
			return image, severalImages(s.Image, m.Children, images)
		}
		image = ocispec.Descriptor{MediaType: images[0].MediaType, Digest: images[0].Digest, Size: images[0].Size}
		if m, err = parse(image); err != nil {
			return image, err
		}
	}
	return image, unloadable(ocitar.CheckManifest(m))
}

// severalImages is the error for an index of which not exactly one image was chosen.
func severalImages(i Image, all, chosen []ocispec.Descriptor) error {
	from := chosen
	if len(from) == 0 {
		from = all
	}
	return fmt.Errorf("a docker archive holds one image of an index, and %d are chosen: %s, or copy to an oci-archive",
		len(chosen), ChoiceAdvice(i.Host+"/"+i.Repository, from))
}

// unloadable is the error of an image that docker load refuses.
func unloadable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("docker cannot load this image: %w; copy it to an oci-archive", err)
}

// loadable reads the manifest and the configuration of an entry, and refuses what
// docker does not load. Of an index, which another tool has written, docker loads
// the one image that is there.
func (a *archive) loadable(ctx context.Context, d ocispec.Descriptor) (m manifest.Manifest, c ocitar.DockerConfig, err error) {
	if m, err = a.parse(ctx, d); err != nil {
		return m, c, err
	}
	if m.IsIndex() {
		var there []ocispec.Descriptor
		for _, child := range m.Children {
			if ok, err := a.hasBlob(ctx, child); err != nil {
				return m, c, err
			} else if ok && !manifest.IsIndex(child.MediaType) && child.Annotations[manifest.AttestationOf] == "" &&
				!slices.ContainsFunc(there, func(d ocispec.Descriptor) bool { return d.Digest == child.Digest }) {
				there = append(there, child)
			}
		}
		if len(there) != 1 {
			return m, c, fmt.Errorf("%s is an index of which %d images are there, and docker loads one", d.Digest, len(there))
		}
		if m, err = a.parse(ctx, there[0]); err != nil {
			return m, c, err
		}
	}
	if err := ocitar.CheckManifest(m); err != nil {
		return m, c, unloadable(err)
	}
	text, err := a.read(ctx, *m.Config)
	if err != nil {
		return m, c, err
	}
	c, err = ocitar.ParseDockerConfig(text, len(m.Layers))
	return m, c, unloadable(err)
}

// check reads all of an image as docker load does: its configuration, and each
// layer, which is unpacked and compared with its diff_id. The image has to be for
// an operating system, unless that is "".
func (a *archive) check(ctx context.Context, d ocispec.Descriptor, system string) error {
	m, c, err := a.loadable(ctx, d)
	if err != nil {
		return err
	}
	if system != "" && c.OS != "" && c.OS != system {
		return unloadable(fmt.Errorf("it is for %s, and docker on %s stops at it: choose its platform with --platform if the archive is for %s", c.OS, system, c.OS))
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

// diffID returns the digest of an unpacked layer. Each layer is read once, however
// many images have it.
func (a *archive) diffID(ctx context.Context, d digest.Digest) (digest.Digest, error) {
	a.mu.Lock()
	read := a.diffs[d]
	if read == nil {
		read = sync.OnceValues(func() (digest.Digest, error) {
			blob, err := a.open(d)
			if err != nil {
				return "", err
			}
			defer blob.Close()
			return ocitar.DiffID(ctx, blob)
		})
		a.diffs[d] = read
	}
	a.mu.Unlock()
	return read()
}

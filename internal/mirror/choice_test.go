// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/mirror"
)

// If several images of an index fit a docker archive, the error names each by what
// selects that image alone: its platform, or else its digest. Following the advice
// copies the image.
func TestAdviceForSeveralImagesOfOnePlatformCanBeFollowed(t *testing.T) {
	y := newTarDataset(t)
	image := func(repository, platform, layer string) ocispec.Descriptor {
		return y.image(repository, platform, layer)
	}
	bare := func(d ocispec.Descriptor) ocispec.Descriptor {
		d.Platform = nil
		return d
	}
	version := func(d ocispec.Descriptor, v string) ocispec.Descriptor {
		p := *d.Platform
		p.OSVersion = v
		d.Platform = &p
		return d
	}
	indexes := map[string][]ocispec.Descriptor{
		"same":     {image("same", "linux/amd64", "a"), image("same", "linux/amd64", "b")},
		"mixed":    {image("mixed", "linux/arm64", "a"), image("mixed", "linux/amd64", "b"), image("mixed", "linux/amd64", "c")},
		"variants": {image("variants", "linux/amd64", "a"), image("variants", "linux/amd64/v1", "b")},
		"bare":     {bare(image("bare", "linux/amd64", "a")), bare(image("bare", "linux/amd64", "b"))},
		"versions": {version(image("versions", "windows/amd64", "a"), "10.0.1"), version(image("versions", "windows/amd64", "b"), "10.0.2")},
	}
	for name, children := range indexes {
		y.tag(name, "v1", y.index(name, children...))
	}
	s := newSite(t, y.data)
	reference := regexp.MustCompile(regexp.QuoteMeta(s.host) + `/(yard/[a-z]+)@(sha256:[0-9a-f]{64})`)
	windows := ocispec.Platform{OS: "windows", Architecture: "amd64"}
	for _, tell := range []struct {
		what      string
		platforms mirror.Platforms
	}{
		{"default platform", mirror.Platforms{DefaultPlatform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}},
		{"no choice", mirror.Platforms{}},
		{"windows", mirror.Platforms{Only: []ocispec.Platform{windows}, Index: mirror.SparseIndex}},
	} {
		o := s.options()
		o.Platforms = tell.platforms
		file := filepath.Join(t.TempDir(), "all.tar")
		var advised []mirror.Image
		for _, i := range archived(t, toDockerArchive, file, o, s.images("v1")).Images {
			name := strings.TrimSuffix(strings.TrimPrefix(i.Reference, s.host+"/yard/"), ":v1")
			if i.Status != mirror.Failed {
				t.Errorf("%s: %s is %s", tell.what, name, i.Status)
			}
			if (name == "versions") != (tell.what == "windows") && tell.what != "no choice" {
				continue // none of its images is for the platform
			}
			for _, found := range reference.FindAllStringSubmatch(i.Error, -1) {
				advised = append(advised, mirror.Image{Host: s.host, Repository: found[1], Digest: digest.Digest(found[2])})
			}
			for _, d := range indexes[name] {
				byPlatform := name == "mixed" && d.Platform.Architecture == "arm64" && strings.Contains(i.Error, "linux/arm64")
				if by := strings.Contains(i.Error, d.Digest.String()); !by && !byPlatform && !(name == "mixed" && d.Platform.Architecture == "arm64") {
					t.Errorf("%s: %s: the error does not name %s: %s", tell.what, name, d.Digest, i.Error)
				}
			}
			if asks := strings.Contains(i.Error, "--platform"); asks && name != "mixed" {
				t.Errorf("%s: %s: no platform selects one image: %s", tell.what, name, i.Error)
			}
		}
		o.Platforms = mirror.Platforms{}
		r := archived(t, toDockerArchive, file, o, slices.Clone(advised))
		if len(advised) == 0 || r.Copied+r.Present != len(advised) {
			t.Errorf("%s: the advice was followed:\n%s", tell.what, show(t, r))
		}
	}
}

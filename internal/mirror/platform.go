// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
)

// Platforms choose which images of an index are copied. The zero value takes
// all of them, and the index as it is.
type Platforms struct {
	// Only names the platforms that are wanted; empty: all.
	Only []ocispec.Platform
	// One is what is taken of an index with several images when Only is empty,
	// for a destination that holds one; zero: all. An image that comes alone is
	// taken whatever it is for; a docker archive refuses one for another
	// operating system.
	DefaultPlatform ocispec.Platform
	// Index says what becomes of an index of which some images are left out.
	// It must be set when Only is.
	Index IndexMode
}

// An IndexMode says what becomes of an index of which some images are left out.
type IndexMode string

// The two ways, of which neither is free: a sparse index lists what is not
// there, and a rewritten one is no longer what was signed.
const (
	SparseIndex    IndexMode = "sparse"  // as it is, digest and all; some of what it lists is not there
	RewrittenIndex IndexMode = "rewrite" // a new one, with another digest
)

var platformPart = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

// ParsePlatform reads os/architecture[/variant], in the words of Go and of
// image indexes: linux/amd64, linux/arm64, linux/arm/v7.
func ParsePlatform(s string) (ocispec.Platform, error) {
	parts := strings.Split(s, "/")
	bad := slices.ContainsFunc(parts, func(p string) bool { return !platformPart.MatchString(p) })
	if bad || len(parts) < 2 || len(parts) > 3 {
		return ocispec.Platform{}, fmt.Errorf("platform %q: want os/architecture or os/architecture/variant, such as linux/amd64", s)
	}
	p := ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// fits tells whether a platform is one of those that are wanted.
func (p Platforms) fits(have ocispec.Platform) bool {
	return slices.ContainsFunc(p.Only, func(want ocispec.Platform) bool { return manifest.MatchPlatform(want, have) })
}

// of is the choice for what an index lists.
func (p Platforms) of(children []ocispec.Descriptor) Platforms {
	images := 0
	for _, c := range children {
		if c.Annotations[manifest.AttestationOf] == "" {
			images++
		}
	}
	if len(p.Only) == 0 && manifest.Runs(&p.DefaultPlatform) && images > 1 {
		p.Only = []ocispec.Platform{p.DefaultPlatform}
	}
	return p
}

// noneOf says that an index has nothing for the platforms that were chosen.
func (w *walker) noneOf(children []ocispec.Descriptor) error {
	has := strings.Join(listed(children), ", ")
	if len(children) == 0 {
		has = "none, for it is an empty index"
	}
	if one := w.platform.DefaultPlatform; len(w.platform.Only) == 0 && manifest.Runs(&one) {
		return fmt.Errorf("%w: it has %s, and not %s, the default here: %s", ErrNotChosen, has, manifest.PlatformString(one), destination.ChoiceAdvice(w.from.name, children))
	}
	return fmt.Errorf("%w: it has %s", ErrNotChosen, has)
}

// listed names the platforms that an index tells of its images.
func listed(children []ocispec.Descriptor) []string {
	names := []string{}
	for _, c := range children {
		switch {
		case manifest.Runs(c.Platform):
			names = append(names, manifest.PlatformString(*c.Platform))
		case manifest.IsIndex(c.MediaType):
			names = append(names, "an index")
		case c.Platform == nil:
			names = append(names, "an image of no platform")
		}
	}
	return names
}

// choose tells which entries of an index are copied: images of the platforms
// that were chosen, attestations of these if they are wanted, and indexes, in
// which the same question is asked again.
func (w *walker) choose(children []ocispec.Descriptor) []bool {
	want := w.platform.of(children)
	chosen := make([]bool, len(children))
	images := map[string]bool{}
	for i, c := range children {
		chosen[i] = len(want.Only) == 0 || manifest.IsIndex(c.MediaType) || manifest.Runs(c.Platform) && want.fits(*c.Platform)
		if chosen[i] {
			images[c.Digest.String()] = true
		}
	}
	for i, c := range children {
		if of := c.Annotations[manifest.AttestationOf]; of != "" {
			chosen[i] = !w.bare && (chosen[i] || images[of])
		}
	}
	return chosen
}

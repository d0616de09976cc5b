// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

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

// platformText is what ParsePlatform reads.
func platformText(p ocispec.Platform) string {
	if p.Variant == "" {
		return p.OS + "/" + p.Architecture
	}
	return p.OS + "/" + p.Architecture + "/" + p.Variant
}

// fits tells whether a platform is one of those that are wanted.
func (p Platforms) fits(have ocispec.Platform) bool {
	return slices.ContainsFunc(p.Only, func(want ocispec.Platform) bool { return matches(want, have) })
}

// of is the choice for what an index lists.
func (p Platforms) of(children []ocispec.Descriptor) Platforms {
	images := 0
	for _, c := range children {
		if c.Annotations[attestationOf] == "" {
			images++
		}
	}
	if len(p.Only) == 0 && describes(&p.DefaultPlatform) && images > 1 {
		p.Only = []ocispec.Platform{p.DefaultPlatform}
	}
	return p
}

// matches tells whether a platform is what is wanted. Without a variant every
// variant is; with one, an image that names none counts as the architecture's
// ordinary one.
func matches(want, have ocispec.Platform) bool {
	return want.OS == have.OS && want.Architecture == have.Architecture &&
		(want.Variant == "" || variant(want) == variant(have))
}

// variant is a platform's variant, or the one that goes without saying.
func variant(p ocispec.Platform) string {
	if p.Variant != "" {
		return p.Variant
	}
	return map[string]string{"arm64": "v8", "arm": "v7", "amd64": "v1"}[p.Architecture]
}

// describes tells whether an entry of an index is of an image that runs
// somewhere. Build tools list attestations as of unknown/unknown.
func describes(p *ocispec.Platform) bool {
	return p != nil && p.OS != "" && p.OS != "unknown"
}

// noneOf says that an index has nothing for the platforms that were chosen.
func (w *walker) noneOf(children []ocispec.Descriptor) error {
	has := strings.Join(listed(children), ", ")
	if len(children) == 0 {
		has = "none, for it is an empty index"
	}
	if one := w.platform.DefaultPlatform; len(w.platform.Only) == 0 && describes(&one) {
		return fmt.Errorf("%w: it has %s, and not %s, the default here: %s", ErrNotChosen, has, platformText(one), oneImage(w.from.name, children))
	}
	return fmt.Errorf("%w: it has %s", ErrNotChosen, has)
}

// listed names the platforms that an index tells of its images.
func listed(children []ocispec.Descriptor) []string {
	names := []string{}
	for _, c := range children {
		switch {
		case describes(c.Platform):
			names = append(names, platformText(*c.Platform))
		case manifest.IsIndex(c.MediaType):
			names = append(names, "an index")
		case c.Platform == nil:
			names = append(names, "an image of no platform")
		}
	}
	return names
}

// maxAdvised is how many images of an index an error names by digest.
const maxAdvised = 6

// oneImage says how to choose one image of an index: by a platform that no other
// image has, or else by digest. repository is HOST/NAMESPACE/NAME.
func oneImage(repository string, children []ocispec.Descriptor) string {
	var platforms, digests []string
	for i, d := range children {
		alike := func(other ocispec.Descriptor) bool {
			return other.Digest != d.Digest && describes(other.Platform) && matches(*d.Platform, *other.Platform)
		}
		listed := slices.ContainsFunc(children[:i], func(other ocispec.Descriptor) bool { return other.Digest == d.Digest })
		switch {
		case listed || manifest.IsIndex(d.MediaType) || d.Annotations[attestationOf] != "" || d.Platform != nil && !describes(d.Platform):
		case d.Platform == nil:
			digests = append(digests, repository+"@"+d.Digest.String())
		case slices.ContainsFunc(children, alike):
			digests = append(digests, fmt.Sprintf("%s@%s (%s)", repository, d.Digest, platformText(*d.Platform)))
		default:
			platforms = append(platforms, platformText(*d.Platform))
		}
	}
	if n := len(digests) - maxAdvised; n > 0 {
		digests = append(digests[:maxAdvised], fmt.Sprintf("%d more", n))
	}
	var ways []string
	if len(platforms) > 0 {
		ways = append(ways, "choose one with --platform ("+strings.Join(platforms, ", ")+")")
	}
	if len(digests) > 0 {
		ways = append(ways, "copy one by its digest ("+strings.Join(digests, ", ")+")")
	}
	if len(ways) == 0 {
		return "choose a platform with --platform"
	}
	return strings.Join(ways, ", or ")
}

// attestationOf is the annotation by which build tools say which image of an
// index an attestation in it is of.
const attestationOf = "vnd.docker.reference.digest"

// choose tells which entries of an index are copied: images of the platforms
// that were chosen, attestations of these if they are wanted, and indexes, in
// which the same question is asked again.
func (w *walker) choose(children []ocispec.Descriptor) []bool {
	want := w.platform.of(children)
	chosen := make([]bool, len(children))
	images := map[string]bool{}
	for i, c := range children {
		chosen[i] = len(want.Only) == 0 || manifest.IsIndex(c.MediaType) || describes(c.Platform) && want.fits(*c.Platform)
		if chosen[i] {
			images[c.Digest.String()] = true
		}
	}
	for i, c := range children {
		if of := c.Annotations[attestationOf]; of != "" {
			chosen[i] = !w.bare && (chosen[i] || images[of])
		}
	}
	return chosen
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
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

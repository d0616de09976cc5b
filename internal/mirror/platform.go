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

// Platforms select the images of an index that are copied. The zero value selects all
// of them and copies the index unchanged.
type Platforms struct {
	// Only lists the platforms to copy; empty: all.
	Only []ocispec.Platform
	// DefaultPlatform is copied of an index with several images if Only is empty, for a
	// destination that holds one image; zero: all are copied. An image without an index
	// is copied whatever its platform.
	DefaultPlatform ocispec.Platform
	// Index is how to copy an index if some of its images are left out. It must be set
	// if Only is.
	Index IndexMode
}

// An IndexMode is how to copy an index if some of its images are left out.
type IndexMode string

// Either mode has a drawback: a sparse index lists images that are missing at the
// destination, and the signatures of an index do not match once it is rewritten.
const (
	SparseIndex    IndexMode = "sparse"  // copied unchanged
	RewrittenIndex IndexMode = "rewrite" // lists only what was copied, and has another digest
)

var platformPart = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

// ParsePlatform parses os/architecture[/variant], with the names that Go and image
// indexes use: linux/amd64, linux/arm64, linux/arm/v7.
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

// include reports whether Only lists a platform.
func (p Platforms) include(have ocispec.Platform) bool {
	return slices.ContainsFunc(p.Only, func(want ocispec.Platform) bool { return manifest.MatchPlatform(want, have) })
}

// forIndex returns the platforms to copy of an index: DefaultPlatform, if that applies.
func (p Platforms) forIndex(children []ocispec.Descriptor) Platforms {
	isImage := func(d ocispec.Descriptor) bool { return d.Annotations[manifest.AttestationOf] == "" }
	if first := slices.IndexFunc(children, isImage); len(p.Only) == 0 && manifest.Runs(&p.DefaultPlatform) &&
		first >= 0 && slices.ContainsFunc(children[first+1:], isImage) {
		p.Only = []ocispec.Platform{p.DefaultPlatform}
	}
	return p
}

// choose reports which entries of an index are copied: images of the chosen platforms,
// their attestations unless these are skipped, and nested indexes, whose entries are
// chosen in the same way.
func (w *walker) choose(children []ocispec.Descriptor) []bool {
	want := w.platforms.forIndex(children)
	chosen := make([]bool, len(children))
	images := map[string]bool{}
	for i, c := range children {
		chosen[i] = len(want.Only) == 0 || manifest.IsIndex(c.MediaType) || manifest.Runs(c.Platform) && want.include(*c.Platform)
		if chosen[i] {
			images[c.Digest.String()] = true
		}
	}
	for i, c := range children {
		if of := c.Annotations[manifest.AttestationOf]; of != "" {
			chosen[i] = !w.skipAttestations && (chosen[i] || images[of])
		}
	}
	return chosen
}

// notChosen returns the error for an index that has none of the chosen platforms.
func (w *walker) notChosen(children []ocispec.Descriptor) error {
	var has []string
	for _, c := range children {
		switch {
		case manifest.Runs(c.Platform):
			has = append(has, manifest.PlatformString(*c.Platform))
		case manifest.IsIndex(c.MediaType):
			has = append(has, "an index")
		case c.Platform == nil:
			has = append(has, "an image of no platform")
		}
	}
	err := fmt.Errorf("%w: it has %s", ErrNotChosen, strings.Join(has, ", "))
	if len(children) == 0 {
		err = fmt.Errorf("%w: its index is empty", ErrNotChosen)
	}
	if one := w.platforms.DefaultPlatform; len(has) > 0 && len(w.platforms.Only) == 0 && manifest.Runs(&one) {
		err = fmt.Errorf("%w, and not %s, the default here: %s", err, manifest.PlatformString(one), destination.ChoiceAdvice(w.from.name, children))
	}
	return err
}

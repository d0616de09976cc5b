// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// maxAdvised is how many images of an index an error names by digest at most.
const maxAdvised = 6

// ChoiceAdvice returns how to choose one image of an index: by a platform that no other
// image has, or else by its digest. repository is HOST/NAMESPACE/NAME.
func ChoiceAdvice(repository string, children []ocispec.Descriptor) string {
	var platforms, digests []string
	images := manifest.Images(children)
	for _, d := range images {
		alike := func(other ocispec.Descriptor) bool {
			return other.Digest != d.Digest && manifest.Runs(other.Platform) && manifest.MatchPlatform(*d.Platform, *other.Platform)
		}
		switch {
		case d.Platform == nil:
			digests = append(digests, repository+"@"+d.Digest.String())
		case !manifest.Runs(d.Platform):
		case slices.ContainsFunc(images, alike):
			digests = append(digests, fmt.Sprintf("%s@%s (%s)", repository, d.Digest, manifest.PlatformString(*d.Platform)))
		default:
			platforms = append(platforms, manifest.PlatformString(*d.Platform))
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

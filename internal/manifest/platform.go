// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// AttestationOf is the annotation with the digest of the attested image. Build tools set
// it on the entry of an attestation in an index.
const AttestationOf = "vnd.docker.reference.digest"

// PlatformString returns os/architecture[/variant].
func PlatformString(p ocispec.Platform) string {
	if p.Variant == "" {
		return p.OS + "/" + p.Architecture
	}
	return p.OS + "/" + p.Architecture + "/" + p.Variant
}

// MatchPlatform reports whether the platform have matches want. If want has no variant,
// any variant matches. Otherwise a platform without a variant counts as the architecture's
// default variant.
func MatchPlatform(want, have ocispec.Platform) bool {
	return want.OS == have.OS && want.Architecture == have.Architecture &&
		(want.Variant == "" || variant(want) == variant(have))
}

// variant returns a platform's variant, or its architecture's default one.
func variant(p ocispec.Platform) string {
	if p.Variant != "" {
		return p.Variant
	}
	return map[string]string{"arm64": "v8", "arm": "v7", "amd64": "v1"}[p.Architecture]
}

// Runs reports whether an index entry with this platform is an image that can run. Build
// tools list attestations with the platform unknown/unknown.
func Runs(p *ocispec.Platform) bool {
	return p != nil && p.OS != "" && p.OS != "unknown"
}

// Images returns the entries of an index that are images, each once. It omits indexes
// and attestations.
func Images(children []ocispec.Descriptor) []ocispec.Descriptor {
	var images []ocispec.Descriptor
	for _, d := range children {
		twice := slices.ContainsFunc(images, func(i ocispec.Descriptor) bool { return i.Digest == d.Digest })
		if !twice && !IsIndex(d.MediaType) && d.Annotations[AttestationOf] == "" {
			images = append(images, d)
		}
	}
	return images
}

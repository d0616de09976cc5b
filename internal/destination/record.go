// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Annotations of the index entry of an image, in a layout and in an oci-archive. Other
// tools ignore them.
const (
	// annotationReferrers lists the referrers that were copied with the image: tags and
	// digests, separated by spaces, or noReferrers. An entry without this
	// annotation may lack signatures.
	annotationReferrers = "dev.quayside.attached"
	// annotationReferrersOf lists the manifests whose referrers a run searched for, if
	// some images of the index were left out.
	annotationReferrersOf = "dev.quayside.attached.to"

	noReferrers = "none"
)

// A Record states that a run has copied all referrers of an image. Without a record, some
// may be missing: signatures failed in an outage or were not requested, or another tool or
// an older version copied the image. The next run searches for them again
// (doc/adr/0018-signatures-are-remembered.md).
type Record struct {
	Referrers []string        // tags and digests of referrers
	To        []digest.Digest // the manifests whose referrers a run searched for; nil: all of the image
}

// Covers reports whether a run searched for the referrers of all these manifests. Without
// manifests, it returns false if the record lists manifests.
func (r *Record) Covers(manifests []ocispec.Descriptor) bool {
	if r.To == nil {
		return true
	}
	return len(manifests) > 0 && !slices.ContainsFunc(manifests, func(d ocispec.Descriptor) bool {
		return !slices.Contains(r.To, d.Digest)
	})
}

// Equal reports whether two records are equal; either may be nil.
func (r *Record) Equal(other *Record) bool {
	if r == nil || other == nil {
		return r == other
	}
	return slices.Equal(r.Referrers, other.Referrers) && slices.Equal(r.To, other.To)
}

// annotate adds a record to annotations.
func (r *Record) annotate(annotations map[string]string) {
	if r == nil {
		return
	}
	annotations[annotationReferrers] = noReferrers
	if len(r.Referrers) > 0 {
		annotations[annotationReferrers] = strings.Join(r.Referrers, " ")
	}
	if r.To != nil {
		var to []string
		for _, d := range r.To {
			to = append(to, d.String())
		}
		annotations[annotationReferrersOf] = strings.Join(to, " ")
	}
}

// recordOf returns the record of an index entry, or nil.
func recordOf(d ocispec.Descriptor) *Record {
	attached := strings.Fields(d.Annotations[annotationReferrers])
	if len(attached) == 0 {
		return nil
	}
	r := &Record{}
	if !slices.Equal(attached, []string{noReferrers}) {
		r.Referrers = attached
	}
	if to, ok := d.Annotations[annotationReferrersOf]; ok {
		r.To = []digest.Digest{}
		for _, one := range strings.Fields(to) {
			r.To = append(r.To, digest.Digest(one))
		}
	}
	return r
}

// images returns the referrers that a record lists, with their names in a layout.
func (r *Record) images(of Image) (all []Image) {
	for _, name := range r.Referrers {
		i := Image{Host: of.Host, Repository: of.Repository, Tag: name}
		if strings.Contains(name, ":") {
			i.Tag, i.Digest = "", digest.Digest(name)
		}
		all = append(all, i)
	}
	return all
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"time"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

// stateDeleted is the state of a repository that is being deleted. Its answers are
// those of a missing repository (doc/quay-api.md section 1).
const stateDeleted quay.State = "MARKED_FOR_DELETION"

// maxName is the length of the longest repository name, in bytes (doc/quay-api.md section 2).
const maxName = 255

// A prefilter leaves out repositories that need no request.
type prefilter struct {
	repositories ref.Repositories
	since        time.Time // zero: no bound
}

// skip returns why r needs no request, or "" if it needs one.
//
// LastModified is the start of the newest live tag (doc/quay-api.md section 1), so no
// tag is newer.
func (f prefilter) skip(r quay.Repository) Reason {
	// A name that is too long matches no pattern. Match its beginning, so that the
	// repository becomes an unknown and is named.
	name := r.Name[:min(len(r.Name), maxName)]
	switch {
	case r.Invalid != nil && r.Name == "":
		return ""
	case !f.repositories.Match(name):
		if f.repositories.MatchAcross(name) {
			return Nested
		}
		return NoMatch
	case r.Invalid != nil:
		return ""
	case r.State == stateDeleted:
		return Deleted
	case r.LastModified.IsZero():
		return NoLiveTag
	case r.LastModified.Before(f.since):
		return TooOld
	}
	return ""
}

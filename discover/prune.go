// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"time"

	"github.com/quayside/quayside/ref"
)

// stateDeleted is a repository on its way out. Quay leaves it out of its
// listing, and answers as if it were gone (doc/quay-api.md section 1).
const stateDeleted = "MARKED_FOR_DELETION"

// maxName is the length of the longest repository name (doc/quay-api.md section 2).
const maxName = 255

// A sieve leaves out repositories that need no request.
type sieve struct {
	repositories ref.Repositories
	since        time.Time // zero: no bound
}

// prune tells why r needs no request, or "" when it needs one.
//
// The bound on age is sound: a repository's LastModified is the start of its
// newest live tag (doc/quay-api.md section 1), so no tag of it is younger.
func (s sieve) prune(r Repository) Reason {
	// A name that is too long matches no pattern. Its beginning decides, so that
	// the repository is an unknown instead of one nobody hears of.
	name := r.Name[:min(len(r.Name), maxName)]
	switch {
	case r.Err != nil && r.Name == "":
		return ""
	case !s.repositories.Match(name):
		if s.repositories.MatchAcross(name) {
			return Nested
		}
		return NoMatch
	case r.Err != nil:
		return ""
	case r.State == stateDeleted:
		return Deleted
	case r.Empty:
		return NoLiveTag
	case !r.LastModified.IsZero() && r.LastModified.Before(s.since):
		return TooOld
	}
	return ""
}

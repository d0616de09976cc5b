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
	switch {
	case !s.repositories.Match(r.Name):
		if s.repositories.MatchAcross(r.Name) {
			return Nested
		}
		return NoMatch
	case r.State == stateDeleted:
		return Deleted
	case r.Empty:
		return NoLiveTag
	case !r.LastModified.IsZero() && r.LastModified.Before(s.since):
		return TooOld
	}
	return ""
}

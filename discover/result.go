// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay"
)

// A Verdict says whether a repository carries a tag.
type Verdict string

// The verdicts.
const (
	Present Verdict = "present" // the server showed the tag
	Absent  Verdict = "absent"  // the server said that there is no such tag, or none new enough
	Unknown Verdict = "unknown" // no answer of the server settles it
)

// A Reason is the code of why a repository was left out or a verdict is not Present.
type Reason string

// Reasons to leave a repository out without a request.
const (
	NoMatch   Reason = "name_does_not_match"
	Nested    Reason = "nested"           // its name would match if * matched slashes
	Deleted   Reason = "being_deleted"    // by its state
	NoLiveTag Reason = "no_live_tag"      // by the listing
	TooOld    Reason = "older_than_since" // its newest live tag is; also of an Absent tag
)

// Other reasons for Absent.
const (
	NoTag        Reason = "no_such_tag"        // the repository has no tag of this name, or none that matches
	NoRepository Reason = "no_such_repository" // by the server, which says so only to an owner
)

// Reasons for Unknown.
const (
	GoneOrPrivate Reason = "gone_or_private"  // 401, 403 or 404: the server does not say which
	RateLimited   Reason = "rate_limited"     // 429, after all retries
	ServerError   Reason = "server_error"     // 5xx, or the error page of a proxy
	NoAnswer      Reason = "no_answer"        // connection refused or broken, or time-out
	Malformed     Reason = "malformed_answer" // an answer or a row of a listing that makes no sense
	Failed        Reason = "failed"           // any other error; see Result.Err
)

// Text returns the reason in words: "gone or private" for GoneOrPrivate.
func (r Reason) Text() string { return strings.ReplaceAll(string(r), "_", " ") }

// A Result is one answer of a run. If all tags of the pattern are exact names, each
// name has a Result. Otherwise each matching tag has a Result, or one Absent result
// stands for all.
type Result struct {
	Verdict    Verdict
	Host       string // host or host:port
	Namespace  string
	Repository string // without the namespace; may have slashes

	// Tag is the name of the tag, or the tags of the pattern if there is no single
	// tag: a glob that matched none or could not be looked up.
	Tag string

	Digest  digest.Digest // "" unless the server showed the tag
	Index   bool          // a manifest list or OCI index
	Size    int64         // compressed bytes, or quay.SizeUnknown
	Started time.Time     // when the tag was set to this digest
	Expires time.Time     // zero: never

	// Public is true if anyone may read the repository. Public and State come from
	// the listing. If Unlisted is true, no valid row of a listing has the repository:
	// State is "", and Public is true only if an anonymous caller got the answer.
	Public   bool
	State    quay.State
	Unlisted bool

	// Skipped is true if the listing answered and nothing was looked up. See
	// Options.Skipped.
	Skipped bool

	// Named is true if the pattern names this image: repository and tag are exact
	// names (ref.Repositories.Names, ref.Tags.Names). It is also true for a named
	// repository that does not exist. Absent named images are counted in
	// Summary.Missing.
	Named bool

	// Reason is set unless Verdict is Present. Err is the cause of Unknown.
	Reason Reason
	Err    error
}

// missing reports whether r is a named image that does not exist. An image older than
// since is left out by request.
func (r Result) missing() bool {
	return r.Named && r.Verdict == Absent && r.Reason != TooOld
}

// ReasonOf returns the Reason of an Unknown result for the error of a request about
// one repository.
func ReasonOf(err error) Reason {
	e, _ := errors.AsType[*quay.Error](err)
	switch {
	case concernsRepository(err):
		return GoneOrPrivate
	case errors.Is(err, quay.ErrRateLimited):
		return RateLimited
	case errors.Is(err, quay.ErrMalformed), errors.Is(err, quay.ErrInvalid):
		return Malformed
	case e != nil && e.Status == 0, errors.Is(err, context.DeadlineExceeded):
		return NoAnswer
	case errors.Is(err, quay.ErrUnavailable):
		return ServerError
	}
	return Failed
}

// concernsRepository reports whether every request about the repository would get
// the error err.
func concernsRepository(err error) bool {
	return errors.Is(err, quay.ErrUnauthenticated) ||
		errors.Is(err, quay.ErrForbidden) ||
		errors.Is(err, quay.ErrNotFound)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

// A Verdict is the answer to "does this repository carry the tag?".
type Verdict string

// The verdicts.
const (
	Present Verdict = "present" // the server showed the tag
	Absent  Verdict = "absent"  // the server said there is no such tag, or none young enough
	Unknown Verdict = "unknown" // the server gave no answer that settles it
)

// A Reason is why a repository was not checked, why a tag does not count, or
// why a verdict is Unknown. It is a few plain words.
type Reason string

// Why a repository was left out without a request.
const (
	NoMatch   Reason = "name does not match"
	Nested    Reason = "nested"           // would match if * crossed a slash
	Deleted   Reason = "being deleted"    // by its state
	NoLiveTag Reason = "no live tag"      // the listing says so
	TooOld    Reason = "older than since" // its newest live tag is; also an Absent result's
)

// Why a verdict is Absent, besides the reasons above.
const (
	NoTag        Reason = "no such tag"        // the repository has none of this name, or none that matches
	NoRepository Reason = "no such repository" // the server says so, which it does to an owner only
)

// Why a verdict is Unknown.
const (
	GoneOrPrivate Reason = "gone or private" // 401, 403 or 404: the server does not tell them apart
	RateLimited   Reason = "rate limited"    // 429 to the last
	ServerError   Reason = "server error"    // 5xx, or a dead server's page
	NoAnswer      Reason = "no answer"       // connection refused or broken, or out of time
	Malformed     Reason = "malformed answer"
	Failed        Reason = "failed" // anything else; see Result.Err
)

// A Result is one answer of a run. A tag of exact names gives one Result for
// each name. A tag glob or range gives one for each tag that matches, and
// one Absent when none does.
type Result struct {
	Verdict    Verdict
	Host       string // host or host:port; "" when neither pattern nor catalog names it
	Namespace  string
	Repository string // without the namespace; may hold slashes

	// Tag is the tag's name. Where there is no single tag (a glob that
	// matched none, or could not be asked) it is the pattern's tag part.
	Tag string

	Digest  digest.Digest // "" unless the server showed the tag
	Index   bool          // a manifest list or OCI index
	Size    int64         // compressed bytes; SizeUnknown when not known
	Started time.Time     // when the tag was set to this digest
	Expires time.Time     // zero: never

	// Public is true when anyone may read the repository. State is the
	// server's word. Both come from the listing. When Unlisted is true there
	// was none, or it lacked a repository that the pattern names: State is
	// then "", and Public is true only if the answer came without a token.
	Public   bool
	State    string
	Unlisted bool

	// Pruned is true when the listing answered and nothing was asked. Such
	// results are given if Options.Pruned asks for them, and for Named images.
	Pruned bool

	// Named is true if the pattern spells out this image: its repository and
	// its tag are literal items (ref.Repositories.Names, ref.Tags.Names). It is
	// also true for a named repository that does not exist. A named image
	// that is absent is not an ordinary "no": see Summary.Missing.
	Named bool

	// Reason is set unless Verdict is Present. Err is the cause of an Unknown.
	Reason Reason
	Err    error
}

// missing reports whether r is an image that the pattern spells out and that does
// not exist. One that is there and older than since is left out by request.
func (r Result) missing() bool {
	return r.Named && r.Verdict == Absent && r.Reason != TooOld
}

// ReasonOf sorts the error of a question about one repository: it is the Reason of an
// Unknown result.
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

// concernsRepository tells whether err is the answer to every question about
// the repository, so that a second one would only get it again.
func concernsRepository(err error) bool {
	return errors.Is(err, quay.ErrUnauthenticated) ||
		errors.Is(err, quay.ErrForbidden) ||
		errors.Is(err, quay.ErrNotFound)
}

// endsRun tells whether err, an answer about repo, concerns the whole run. A
// name that the server listed and that is no name is that repository's own.
func endsRun(err error, repo Repository) bool {
	return errors.Is(err, quay.ErrNoListing) ||
		errors.Is(err, quay.ErrInvalid) && ref.ValidRepository(repo.Name) == nil
}

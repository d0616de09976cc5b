// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import "time"

// An Answer is yes, no, or a question nobody asked.
type Answer string

// The answers.
const (
	Yes      Answer = "yes"
	No       Answer = "no"
	NotAsked Answer = "not asked"
)

// A NamespaceStatus tells why there is, or is not, something to see in a
// namespace.
type NamespaceStatus string

// What a namespace can be.
const (
	NamespaceUnasked        NamespaceStatus = ""                // the run ended before it was known
	NamespaceFound          NamespaceStatus = "found"           // it shows repositories, or exists where nothing was listed
	NamespaceEmpty          NamespaceStatus = "empty"           // it has none: its owner asked
	NamespaceNothingVisible NamespaceStatus = "nothing visible" // it exists, and shows the caller none
	NamespaceNotFound       NamespaceStatus = "not found"       // no organization or user has this name
)

// A Summary is what a run found and what it cost.
//
// Listed and Unlisted are together the sum of Pruned and Candidates. When Finished
// is true, all the Candidates were Checked.
type Summary struct {
	Pattern string // canonical, without its token
	Host    string // host or host:port; "" when not known

	Direct     bool           // one repository was asked for by name, without a listing
	Listed     int            // repositories in the listing
	Pruned     map[Reason]int // of these, those that needed no request, by reason
	Unlisted   int            // repositories that the pattern names and the listing lacks; 1 when Direct
	Candidates int            // repositories that needed a check, the Unlisted ones included
	Checked    int            // of the candidates, those whose check has ended

	Present  int // results with each verdict, pruned ones that were wanted included
	Absent   int
	Unknown  int
	Unknowns map[Reason]int // Unknown by reason
	Missing  int            // of Absent, images that the pattern spells out (Result.Named)

	// What the catalog sent between the start and the end of the run, for
	// other users of the same client too. All zero when it does not count.
	Requests     int64
	WithToken    int64
	WithoutToken int64
	RateLimited  int64 // answers 429
	Retries      int64

	// Pace is what was known of the server's limit at the end; zero when the
	// catalog does not tell.
	Pace Pace

	// CallerKnown tells whether the server knew who asked. TokenIgnored is
	// true when it did not although a token was given: Quay treats a wrong,
	// expired or revoked token as none (doc/quay-api.md section 3), so
	// private repositories are missing from the answer.
	CallerKnown  Answer
	TokenIgnored bool

	Namespace NamespaceStatus

	// Denied is true when everything that was listed and checked was
	// refused: this is not a few repositories gone, but a caller who may
	// not read any. One public repository alone that is refused is gone.
	Denied bool

	// Hints say what to do about an answer that may surprise, in sentences
	// for people.
	Hints []string

	// Finished is true when the listing came to its end and every candidate
	// was checked, whatever the verdicts.
	Finished bool

	// Complete is true when nothing is missing from the answer: the run is
	// Finished, Run.Err is nil, no result is Unknown, and every image that the
	// pattern spells out is there (Missing is 0).
	Complete bool

	Elapsed time.Duration
}

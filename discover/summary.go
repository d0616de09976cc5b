// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"time"

	"github.com/quayside/quayside/quay"
)

// An Answer is the answer to a question that may not have been asked.
type Answer string

// The answers.
const (
	Yes      Answer = "yes"
	No       Answer = "no"
	NotAsked Answer = "not_asked"
)

// A NamespaceStatus says whether a namespace exists and what it shows.
type NamespaceStatus string

// The values of NamespaceStatus.
const (
	NamespaceUnasked        NamespaceStatus = ""                // the run ended before it was known
	NamespaceFound          NamespaceStatus = "found"           // it shows repositories, or exists and was not listed
	NamespaceEmpty          NamespaceStatus = "empty"           // it has no repositories, according to its owner
	NamespaceNothingVisible NamespaceStatus = "nothing_visible" // it exists and shows the caller no repositories
	NamespaceNotFound       NamespaceStatus = "not_found"       // no organization or user has this name
)

// A Hint explains an answer that may surprise, and says what to do.
type Hint struct {
	Code HintCode
	Text string // a sentence for people
}

// A HintCode is what a [Hint] is about.
type HintCode string

// The codes of hints.
const (
	HintNoNamespace    HintCode = "no_namespace"    // Summary.Namespace is NamespaceNotFound
	HintNothingVisible HintCode = "nothing_visible" // the namespace has no repositories, or shows none
	HintTokenIgnored   HintCode = "token_ignored"   // Summary.TokenIgnored
	HintGoneOrPrivate  HintCode = "gone_or_private" // a named repository may be private
	HintDenied         HintCode = "denied"          // the server refused all repositories, or all private ones
	HintTokenBroken    HintCode = "token_broken"    // all private repositories met a server error
	HintNested         HintCode = "nested"          // nested repositories are left out
	HintNoMatch        HintCode = "no_match"        // no listed repository matches the pattern
)

// A Summary is what a run found and what it cost.
//
// Listed and Unlisted together are the sum of Skipped and Candidates. If Finished is
// true, all Candidates are Checked.
type Summary struct {
	Pattern string // canonical
	Host    string // host or host:port

	ByName     bool           // the only repository was looked up by name, without a listing
	Listed     int            // repositories in the listing
	Skipped    map[Reason]int // of Listed: needed no request, by reason
	Unlisted   int            // repositories that the pattern names and the listing lacks; 1 if ByName
	Candidates int            // repositories that needed a check, including Unlisted
	Checked    int            // of Candidates: their check has ended

	Present  int // results by verdict, including skipped ones
	Absent   int
	Unknown  int
	Unknowns map[Reason]int // Unknown by reason
	Missing  int            // of Absent: images that the pattern names (Result.Named)

	// Stats counts what the client sent between the start and the end of the run,
	// including requests of other users of the client.
	Stats quay.Stats

	// Pace is what the client knew about the server's rate limit at the end.
	Pace quay.Pace

	// CallerKnown says whether the server knew the token's user. TokenIgnored is
	// true if the client has a token and the server did not: a Quay ignores a
	// wrong, expired or revoked token (doc/quay-api.md section 3), so private
	// repositories are missing from the answer.
	CallerKnown  Answer
	TokenIgnored bool

	Namespace NamespaceStatus

	// Denied is true if the server refused every listed repository that was
	// checked, so that the caller may read none. A single public repository that
	// is refused is gone.
	Denied bool

	// Hints explain an answer that may surprise.
	Hints []Hint

	// Finished is true if the listing came to its end and every candidate was
	// checked, whatever the verdicts.
	Finished bool

	// Complete is true if nothing is missing from the answer: the run is Finished,
	// Run.Err is nil, no result is Unknown, and Missing is 0.
	Complete bool

	Elapsed time.Duration
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of errors, for errors.Is. None is another's case: a tag that is
// not there is not a repository that is not there.
var (
	// ErrTagNotFound: the server was asked, and the repository has no such active tag.
	ErrTagNotFound = errors.New("quay: tag not found")
	// ErrNotFound: the server says there is no such repository or namespace.
	ErrNotFound = errors.New("quay: not found")
	// ErrUnauthenticated: the server wants a token, or another one (401).
	ErrUnauthenticated = errors.New("quay: not authenticated")
	// ErrForbidden: the token's user may not do this (403).
	ErrForbidden = errors.New("quay: forbidden")
	// ErrRateLimited: the server was asked too fast, and repeating did not help (429).
	ErrRateLimited = errors.New("quay: too many requests")
	// ErrUnavailable: no answer, or none of Quay's own: a broken connection,
	// a 5xx, a 404 that is not Quay's, a redirect to another server. It holds
	// together with context.DeadlineExceeded when a deadline ended the wait for
	// a server that was unavailable.
	ErrUnavailable = errors.New("quay: server unavailable")
	// ErrMalformed: an answer that cannot be understood or trusted.
	ErrMalformed = errors.New("quay: malformed answer")
	// ErrInvalid: an argument was refused before any request.
	ErrInvalid = errors.New("quay: invalid argument")
	// ErrNoListing: the server is Quay's mirror registry, which has no lists
	// of repositories and tags (doc/quay-api.md, "Recorded").
	ErrNoListing = errors.New("quay: server has no listing")
)

// Error is the error of every call, and of [New] and [ParseRepoName]. It holds
// no secret: not the token, no header, and of the server's words only what was
// cleaned of control characters, shortened, and rid of the token.
type Error struct {
	Op      string // what was tried, such as "list repositories"
	Subject string // on what: a namespace, a repository, or a repository:tag; may be ""
	Status  int    // HTTP status of the answer; 0 when there was none

	// Message is what the server said, or what its status means. It is ""
	// when the error is not the server's.
	Message string
	// Type is the server's own word for the error, such as
	// "insufficient_scope"; often "".
	Type string
	// RetryAfter is how long the server asked to be left alone; 0 when it
	// did not say.
	RetryAfter time.Duration
	// Hint says what to do about it, or what the answer can mean; "" when
	// there is nothing to add.
	Hint string
	// Err is the cause when it is not the server's answer: a network error,
	// what is wrong with a body, or the context's error.
	Err error

	kind  error // one of the sentinels, or nil
	shape shape // of the server's message
}

// Error returns package, operation, subject, status, cause and hint, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("quay: " + e.Op)
	if e.Subject != "" {
		b.WriteString(" " + e.Subject)
	}
	if e.Status >= 300 {
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (try again in %v)", e.RetryAfter)
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause: errors.Is finds context.Canceled in it.
func (e *Error) Unwrap() error { return e.Err }

// Is tells whether target is the sentinel of e's kind.
func (e *Error) Is(target error) bool { return e.kind != nil && target == e.kind }

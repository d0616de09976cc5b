// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of errors, for errors.Is. An error has one kind at most: ErrTagNotFound is
// not ErrNotFound.
var (
	// ErrTagNotFound: the repository has no such active tag.
	ErrTagNotFound = errors.New("quay: tag not found")
	// ErrNotFound: the server says there is no such repository or namespace.
	ErrNotFound = errors.New("quay: not found")
	// ErrUnauthenticated: the server wants a token, or does not accept this one (401).
	ErrUnauthenticated = errors.New("quay: not authenticated")
	// ErrForbidden: the token's user may not do this (403).
	ErrForbidden = errors.New("quay: forbidden")
	// ErrRateLimited: the server answers 429, and retries did not help.
	ErrRateLimited = errors.New("quay: too many requests")
	// ErrUnavailable: no answer from Quay itself: a broken connection, a 5xx, a
	// 404 that is not Quay's, or a redirect to another server. If a deadline ends
	// the wait for an unavailable server, the error is both ErrUnavailable and
	// context.DeadlineExceeded.
	ErrUnavailable = errors.New("quay: server unavailable")
	// ErrMalformed: the answer cannot be understood or trusted.
	ErrMalformed = errors.New("quay: malformed answer")
	// ErrInvalid: an argument is invalid; nothing was sent.
	ErrInvalid = errors.New("quay: invalid argument")
	// ErrNoListing: the server is Quay's mirror registry, which has no lists
	// of repositories and tags (doc/quay-api.md, "Recorded").
	ErrNoListing = errors.New("quay: server has no listing")
)

// An Error is the error of every call, including [New] and [ParseRepoName]. It
// contains neither the token nor a header. The server's message is shortened, and
// the token and control characters are removed from it.
type Error struct {
	Op      string // the operation, such as "list repositories"
	Subject string // a namespace, repository or repository:tag; may be ""
	Status  int    // HTTP status of the answer; 0 if there was none

	// Message is the server's message, or the text of the status. It is "" if the
	// error is not the server's.
	Message string
	// Type is the server's code for the error, such as "insufficient_scope"; often "".
	Type string
	// RetryAfter is how long the server asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// Hint says what the answer can mean or what to do about it; may be "".
	Hint string
	// Err is a cause other than the server's answer: a network error, a defect of
	// the body, or the context's error.
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

// Is reports whether target is the kind of e, such as [ErrNotFound].
func (e *Error) Is(target error) bool { return e.kind != nil && target == e.kind }

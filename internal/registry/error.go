// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/transport"
)

// The kinds of errors, for errors.Is.
var (
	// ErrNotFound: the tag, manifest, blob or repository does not exist.
	ErrNotFound = errors.New("registry: not found")
	// ErrDenied: 401 or 403. A Quay sends the same answer for repositories that are
	// private and for repositories that do not exist (doc/quay-api.md section 5).
	ErrDenied = errors.New("registry: access denied")
	// ErrLogin: credentials are missing or refused, whatever was requested. Such an
	// error is also an ErrDenied.
	ErrLogin = errors.New("registry: credentials missing or refused")
	// ErrMalformed: the answer does not match the request.
	ErrMalformed = errors.New("registry: malformed answer")
	// ErrRedirect: a redirect was not followed.
	ErrRedirect = errors.New("registry: redirect refused")
)

// Error is the error of every request. It holds no secret: the server's text is
// shortened, and redacted.
type Error struct {
	Op      string // what was attempted, such as "fetch manifest"
	Subject string // on what: host/namespace/name with a :tag or an @digest
	Status  int    // HTTP status of the answer; 0 if there was none, or it was a success
	Code    string // the registry's error code, such as "MANIFEST_UNKNOWN", or ""
	Message string // the registry's text, in one line, or ""
	Hint    string // what to do, or what the error may mean, or ""
	Err     error  // the cause, unless the status is

	kind  error           // one of the sentinels, or nil
	named []digest.Digest // digests in the registry's text
}

// Error returns operation, subject, status, cause and hint, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("registry: " + e.Op + " " + e.Subject)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
		if e.Code != "" {
			b.WriteString(" " + e.Code)
		}
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + strings.TrimPrefix(e.Err.Error(), "registry: "))
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of e's kind.
func (e *Error) Is(target error) bool {
	return e.kind != nil && (target == e.kind || e.kind == ErrLogin && target == ErrDenied)
}

// On returns the same error for another subject.
func (e *Error) On(subject string) *Error {
	other := *e
	other.Subject = subject
	return &other
}

// LacksBlobs reports whether a registry refused a manifest because it lacks a blob, and
// returns the digests in its text. Registries answer BLOB_UNKNOWN or
// MANIFEST_BLOB_UNKNOWN (distribution specification, "Error Codes"). A Quay answers
// MANIFEST_INVALID with the blob in the text (doc/quay-api.md, "Pushing").
func (e *Error) LacksBlobs() (named []digest.Digest, lacks bool) {
	switch e.Code {
	case "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN":
		return e.named, true
	case "MANIFEST_INVALID":
		return e.named, len(e.named) > 0
	}
	return nil, false
}

// malformed returns the error for an answer that does not match the request.
func (r *Registry) malformed(op, subject string, err error) *Error {
	return &Error{Op: op, Subject: subject, Err: r.cause(err), kind: ErrMalformed}
}

const maxErrorBody = 64 << 10 // bytes read of an error answer

// refused returns the error for an answer whose status is not a success. It reads the
// body, and leaves closing it to the caller.
func (r *Registry) refused(op, subject string, answer *reply) *Error {
	e := &Error{Op: op, Subject: subject}
	e.status(answer.StatusCode, isPage(answer.Response))
	if errors.Is(e.kind, ErrDenied) {
		e.Hint = answer.hint
		if answer.kind != nil {
			e.kind = answer.kind
		}
		if answer.crossOrigin {
			r.deniedByOther(e, answer)
		}
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
	if err != nil || answer.Request.Method == http.MethodHead {
		return e
	}
	said := readBody(r.hide, body)
	e.Code, e.named = said.code, said.digests
	e.Message = strings.TrimPrefix(said.text, strconv.Itoa(e.Status)+" ") // a page's title repeats it
	return e
}

// deniedByOther explains that another host denied access.
func (r *Registry) deniedByOther(e *Error, answer *reply) {
	host := r.hide.Line(answer.Request.URL.Host)
	e.Hint = fmt.Sprintf("%s redirects to %q, where its credentials are not sent; if that is another name of this registry, use that name", r.host, host)
	if method := answer.Request.Method; method != http.MethodGet && method != http.MethodHead {
		e.kind = ErrRedirect
	}
}

// status sets the status, and the kind and hint that follow from it.
func (e *Error) status(status int, page bool) {
	e.Status = status
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.kind = ErrDenied
	case status == http.StatusProxyAuthRequired:
		e.Hint = "the proxy of HTTP_PROXY answered, not the registry: the proxy requires a user and a password, as in http://USER:PASSWORD@HOST:PORT"
	case status == http.StatusNotFound && page:
		// Older Quays send a page if their backend is down (doc/quay-api.md section 3).
		e.Hint = "an HTML page, not a registry's answer"
	case status == http.StatusNotFound:
		e.kind = ErrNotFound
	case status >= 300 && status < 400:
		e.kind = ErrRedirect
	}
}

// failed returns the error for a request without a complete answer.
func (r *Registry) failed(op, subject string, err error) error {
	if e := new(Error); errors.As(err, &e) {
		if e.Op != "" { // from a token request
			return &Error{Op: op, Subject: subject, Err: e}
		}
		own := *e // other callers may hold the same error
		own.Op, own.Subject = op, subject
		return &own
	}
	return &Error{Op: op, Subject: subject, Err: r.cause(err)}
}

// failedInOras returns the error for a request that oras made. Errors of our transport
// have the type Error already. Any other error means that oras rejected the answer.
func (r *Registry) failedInOras(op, subject string, err error) error {
	ours := errors.As(err, new(*Error)) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	made := r.failed(op, subject, err)
	var e *Error
	if errors.As(made, &e) && e.Status == 0 && e.kind == nil && !ours && !errors.Is(err, io.ErrUnexpectedEOF) {
		e.kind = ErrMalformed
	}
	return made
}

// cause returns the cause of a failed request without the URL, which may be signed, and
// without secrets.
func (r *Registry) cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if of := new(url.Error); errors.As(err, &of) {
		err = of.Err
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if inner == context.DeadlineExceeded { // not errors.Is, which holds for a timeout of the network too
			return inner
		}
		if r.hide.Shows(fmt.Sprintf("%v %+v", inner, inner)) {
			return errors.New("the server's answer contains a secret and is not shown")
		}
	}
	return err
}

// isPage reports whether an answer is an HTML page.
func isPage(resp *http.Response) bool {
	return transport.MediaType(resp.Header) == "text/html"
}

// closeBody closes a body. It reads the last few bytes first, so that the connection
// can be reused.
func closeBody(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// The kinds of errors, for errors.Is.
var (
	// ErrNotFound: the registry says there is no such tag, manifest or blob, or
	// no such repository.
	ErrNotFound = errors.New("registry: not found")
	// ErrDenied: 401 or 403. A Quay says so of repositories that are private
	// and of ones that are not there, alike (doc/quay-api.md section 5).
	ErrDenied = errors.New("registry: access denied")
	// ErrLogin: an ErrDenied, too, because there are no credentials or the
	// registry does not take them. With what is asked for it has nothing to do.
	ErrLogin = errors.New("registry: credentials missing or refused")
	// ErrMalformed: the answer does not match what was asked for.
	ErrMalformed = errors.New("registry: malformed answer")
	// ErrRedirect: a redirect was not followed.
	ErrRedirect = errors.New("registry: redirect refused")
)

// Error is the error of every request. It holds no secret: of the server's
// words only what was shortened and rid of the secrets it was told.
type Error struct {
	Op      string // what was tried, such as "fetch manifest"
	Subject string // on what: host/namespace/name with a :tag or an @digest
	Status  int    // HTTP status of the answer; 0 when there was none, or a good one
	Code    string // the registry's own word for it, such as "MANIFEST_UNKNOWN"; may be ""
	Message string // what the registry said, in one line; may be ""
	Hint    string // what to do about it, or what it can mean; may be ""
	Err     error  // the cause when it is not the answer's status

	kind  error           // one of the sentinels, or nil
	named []digest.Digest // in what the registry said
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

// Unwrap returns the cause: errors.Is finds context.Canceled in it.
func (e *Error) Unwrap() error { return e.Err }

// Is tells whether target is the sentinel of e's kind.
func (e *Error) Is(target error) bool {
	return e.kind != nil && (target == e.kind || e.kind == ErrLogin && target == ErrDenied)
}

// On returns the error for another subject, of which the same is known.
func (e *Error) On(subject string) *Error {
	other := *e
	other.Subject = subject
	return &other
}

// LacksBlobs tells whether a registry has refused a manifest because it does not
// have a blob, and which digests it has named. Registries answer BLOB_UNKNOWN or
// MANIFEST_BLOB_UNKNOWN (distribution specification, "Error Codes"), and a Quay
// answers MANIFEST_INVALID with the blob in the text (doc/quay-api.md, "Pushing").
func (e *Error) LacksBlobs() (named []digest.Digest, lacks bool) {
	switch e.Code {
	case "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN":
		return e.named, true
	case "MANIFEST_INVALID":
		return e.named, len(e.named) > 0
	}
	return nil, false
}

// malformed makes the error for an answer that is not what was asked for.
func (r *Registry) malformed(op, subject string, err error) *Error {
	return &Error{Op: op, Subject: subject, Err: r.cause(err), kind: ErrMalformed}
}

const maxErrorBody = 64 << 10 // bytes read of an answer that is an error

// refused makes the error for an answer with a status that is not the one
// wanted, and reads its body.
func (r *Registry) refused(op, subject string, answer *reply) *Error {
	e := &Error{Op: op, Subject: subject}
	e.status(answer.StatusCode, isPage(answer.Response))
	if errors.Is(e.kind, ErrDenied) {
		e.Hint = answer.hint
		if answer.kind != nil {
			e.kind = answer.kind
		}
		if answer.crossOrigin {
			r.deniedElsewhere(e, answer)
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

// deniedElsewhere says what is known when another host denies access.
func (r *Registry) deniedElsewhere(e *Error, answer *reply) {
	host := r.hide.Line(answer.Request.URL.Host)
	e.Hint = fmt.Sprintf("%s leads to %q, where its credentials are not sent; if that is another name of this registry, use that name", r.host, host)
	if method := answer.Request.Method; method != http.MethodGet && method != http.MethodHead {
		e.kind = ErrRedirect
	}
}

// status fills in what a status means.
func (e *Error) status(status int, page bool) {
	e.Status = status
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.kind = ErrDenied
	case status == http.StatusProxyAuthRequired:
		e.Hint = "the proxy of HTTP_PROXY says so, and not the registry: it wants a name and a password, as in http://USER:PASSWORD@HOST:PORT"
	case status == http.StatusNotFound && page:
		// Older Quays answer so when their backend is gone (doc/quay-api.md
		// section 3): nothing follows from it.
		e.Hint = "an HTML page: not a registry's answer"
	case status == http.StatusNotFound:
		e.kind = ErrNotFound
	case status >= 300 && status < 400:
		e.kind = ErrRedirect
	}
}

// failed makes the error for a request that got no answer, or none to the end.
func (r *Registry) failed(op, subject string, err error) error {
	if e := new(Error); errors.As(err, &e) {
		if e.Op != "" { // of a token
			return &Error{Op: op, Subject: subject, Err: e}
		}
		own := *e // others may have been given the same
		own.Op, own.Subject = op, subject
		return &own
	}
	if said := new(errcode.ErrorResponse); errors.As(err, &said) {
		e := &Error{Op: op, Subject: subject}
		e.status(said.StatusCode, false)
		if len(said.Errors) > 0 {
			e.Code, e.Message = r.hide.Line(said.Errors[0].Code), r.hide.Line(said.Errors[0].Message)
		}
		return e
	}
	return &Error{Op: op, Subject: subject, Err: r.cause(err)}
}

// failedInOras does so for a request that oras made. What is neither an answer
// nor a network's error is oras finding fault with an answer.
func (r *Registry) failedInOras(op, subject string, err error) error {
	made := r.failed(op, subject, err)
	var e *Error
	if errors.As(made, &e) && e.Status == 0 && e.kind == nil && !isNetwork(err) {
		e.kind = ErrMalformed
	}
	return made
}

// cause is the error that a request failed with, fit to be shown: without the
// URL, which can be a signed one, and without secrets.
func (r *Registry) cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if of := new(url.Error); errors.As(err, &of) {
		err = of.Err
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if inner == context.DeadlineExceeded { // itself: errors.Is takes a network's timeout for it
			return inner
		}
		if r.hide.Shows(fmt.Sprintf("%v %+v", inner, inner)) {
			return errors.New("the server repeats a secret, and what it said is left out")
		}
	}
	return err
}

// isNetwork tells whether an error is the network's, the context's, or one that
// is an Error already.
func isNetwork(err error) bool {
	var of *url.Error
	var dial *net.OpError
	var own *Error
	return errors.As(err, &of) || errors.As(err, &dial) || errors.As(err, &own) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF)
}

// isPage tells whether an answer is an HTML page.
func isPage(resp *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mediaType == "text/html"
}

// closeBody reads the little that may be left, so that the connection can be
// used again.
func closeBody(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

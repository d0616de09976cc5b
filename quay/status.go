// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/transport"
)

// Hints explain an answer to people (doc/quay-api.md sections 3 and 4).
const (
	hintNoToken = "this needs an OAuth application token of the Quay; a robot account does not work on this API; " +
		"without a token, a private repository and a missing one look alike"
	hintBadToken = "the server did not accept the token: use an OAuth application token that is neither expired nor revoked; " +
		"a robot account does not work on this API; a private repository and a missing one look alike"
	hintForbidden = "the token's user may not read this, or the token lacks the scope repo:read; " +
		"a missing repository looks the same"
	hintBrokenScope = "if every repository fails like this and the listing works, the token's scope is broken: make a new token"
	hintLimited     = "the server limits the rate of requests: try again later, or send fewer at once"
	hintHTTPS       = "the server speaks HTTPS: use a URL with https://"
	hintProxy       = "the proxy of HTTP_PROXY answers: it wants a name and password, as in http://USER:PASSWORD@HOST:PORT"
	hintMirror      = "this is a mirror registry, not a full Quay: it has no lists of repositories and tags"
)

// hintServer returns the hint for an answer that a Quay would not send.
func (c *core) hintServer() string { return "is " + c.base + " a Quay, and is it up?" }

// statusError returns the error for an answer other than 200.
func (c *Client) statusError(r request, resp *http.Response, body []byte) *Error {
	e := &Error{Op: r.op, Subject: r.subject, Status: resp.StatusCode}
	after, _ := transport.RetryAfter(resp.Header, time.Now())
	e.RetryAfter = after.Round(time.Second)
	e.Message, e.Type, e.shape = readProblem(body)
	e.Message, e.Type = c.core.redactor.Line(e.Message), c.core.redactor.Line(e.Type)
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	c.classify(e, resp)
	return e
}

// classify sets the kind and the hint of an error.
func (c *Client) classify(e *Error, resp *http.Response) {
	switch status := e.Status; {
	case status == http.StatusUnauthorized && c.HasToken():
		e.kind, e.Hint = ErrUnauthenticated, hintBadToken
	case status == http.StatusUnauthorized:
		e.kind, e.Hint = ErrUnauthenticated, hintNoToken
	case status == http.StatusForbidden:
		e.kind = ErrForbidden
		if c.HasToken() {
			e.Hint = hintForbidden
		}
	case isMirrorRegistry(e):
		e.kind, e.Hint = ErrNoListing, hintMirror
	case status == http.StatusNotFound && e.shape == shapeProblem && e.Type == "not_found":
		e.kind = ErrNotFound
	case status == http.StatusNotFound:
		// A dead backend also answers 404 (doc/quay-api.md section 3).
		e.kind, e.Hint = ErrUnavailable, "a 404 that is not Quay's own says nothing: "+c.core.hintServer()
	case status == http.StatusBadRequest && isHTTPS(e, resp):
		e.kind, e.Hint = ErrUnavailable, hintHTTPS
	case status == http.StatusProxyAuthRequired:
		e.kind, e.Hint = ErrUnavailable, hintProxy
	case status == http.StatusTooManyRequests:
		e.kind, e.Hint = ErrRateLimited, hintLimited
	case status >= 300 && status < 400:
		e.kind = ErrUnavailable
		e.Message, e.Hint = c.redirect(resp)
	case status == http.StatusInternalServerError && (e.Op == opTag || e.Op == opTags) && c.HasToken():
		e.kind, e.Hint = ErrUnavailable, hintBrokenScope
	case status >= 500:
		e.kind = ErrUnavailable
	case status < 300:
		e.kind, e.Hint = ErrMalformed, c.core.hintServer()
	}
}

// isHTTPS reports whether an HTTPS port answered a plain HTTP request, in the words
// of Go's server and nginx.
func isHTTPS(e *Error, resp *http.Response) bool {
	return resp.Request.URL.Scheme == "http" && strings.Contains(e.Message, "HTTP request") &&
		(strings.Contains(e.Message, "to an HTTPS server") || strings.Contains(e.Message, "to HTTPS port"))
}

// isMirrorRegistry reports whether the answer is that of Quay's mirror registry to
// routes that it lacks: 404 for the listing, 405 for the tag list
// (doc/quay-api.md, "Recorded").
func isMirrorRegistry(e *Error) bool {
	if e.shape != shapeError {
		return false
	}
	switch e.Op {
	case opList, opToken:
		return e.Status == http.StatusNotFound && strings.EqualFold(e.Message, "not found")
	case opTag, opTags:
		return e.Status == http.StatusMethodNotAllowed && strings.EqualFold(e.Message, "method not allowed")
	}
	return false
}

// redirect returns message and hint for a redirect that was not followed.
func (c *Client) redirect(resp *http.Response) (message, hint string) {
	to, err := resp.Location()
	if err != nil || to.Host == "" {
		return "a redirect without a usable address", c.core.hintServer()
	}
	where := c.core.redactor.Line(to.Scheme + "://" + to.Host)
	if transport.Origin(to) == transport.Origin(resp.Request.URL) {
		return "too many redirects within " + where, c.core.hintServer()
	}
	return "the server redirects to " + where + ", which was not followed",
		"if that is the Quay, give it as the server"
}

// noAnswer returns the error for a request without a complete answer.
func (c *Client) noAnswer(ctx context.Context, r request, err error) *Error {
	e := &Error{Op: r.op, Subject: r.subject}
	if ctx.Err() != nil {
		e.Err = ctx.Err()
		if ended, ok := errors.AsType[*pace.EndedError](err); ok && errors.Is(e.Err, context.DeadlineExceeded) {
			if ended.Status != http.StatusTooManyRequests {
				e.kind = ErrUnavailable
			}
			e.Err = fmt.Errorf("%w; the last failure: %s", e.Err, c.core.redactor.Line(ended.Last.Error()))
		}
		return e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the error names the subject already
	}
	e.Err, e.kind = c.core.cause(err), ErrUnavailable
	if errors.Is(err, pace.ErrTooLarge) {
		e.Status, e.kind = http.StatusOK, ErrMalformed
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		e.Hint = "if the server's certificate comes from a CA of your own, add that CA"
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		e.Hint = "the server speaks plain HTTP: use a URL with http://"
	}
	return e
}

// cause returns err, or only its text when it must not be passed on as it is:
// because it repeats the token or other things a server sent, or because it
// looks like the end of the caller's context, which it is not.
func (c *core) cause(err error) error {
	text := c.redactor.Line(err.Error())
	if text != err.Error() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errors.New(text)
	}
	return err
}

// unreadable returns the error for a 200 that is not JSON.
func (c *Client) unreadable(r request, body []byte) *Error {
	what := "the answer is not JSON"
	if len(body) == 0 {
		what = "the answer is empty"
	} else if message, _, shape := readProblem(body[:min(len(body), maxProblem)]); shape == shapePage {
		what = "the answer is a web page"
		if message = c.core.redactor.Line(message); message != "" {
			what += ", " + quote(message)
		}
	}
	e := c.malformed(r, errors.New(what))
	e.Hint = c.core.hintServer()
	return e
}

// malformed returns the error for a 200 that cannot be understood or trusted.
func (c *Client) malformed(r request, err error) *Error {
	e := &Error{Op: r.op, Subject: r.subject, Status: http.StatusOK, kind: ErrMalformed}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		err, e.Hint = errors.New("the answer is not JSON"), c.core.hintServer()
	}
	e.Err = fmt.Errorf("malformed answer: %w", c.core.cause(err))
	return e
}

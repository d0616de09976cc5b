// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

const (
	// maxSends is how often a request is sent at most if the server answers. If the
	// server is unreachable or down, the request is repeated for the time patience, in
	// which a server can restart.
	maxSends = 5
	patience = 2 * time.Minute
	// Waits double from minWait to longest, unless the server names one.
	minWait  = 500 * time.Millisecond
	longest  = 8 * time.Second
	maxWait  = 2 * time.Minute  // of a Retry-After
	longWait = 30 * time.Second // a wait this long is logged as a warning
)

// A resender repeats pushes (POST, PATCH, PUT) after 429, a server error (5xx) or a lost
// connection, if they have no body or have GetBody. Repeating a push does no harm, because
// its digest identifies the content. The base transport repeats GET and HEAD.
type resender struct {
	base http.RoundTripper
	log  *slog.Logger
}

// RoundTrip sends the request until the answer is final. Like any transport, it
// returns an answer of any status without an error.
func (s *resender) RoundTrip(req *http.Request) (*http.Response, error) {
	var failed time.Time // of the first failure
	for sent := 1; ; sent++ {
		resp, err := s.base.RoundTrip(req)
		if failed.IsZero() {
			failed = time.Now()
		}
		enough := sent >= maxSends && (!isDown(resp, err) || time.Since(failed) > patience)
		if enough || !isPush(req.Method) || !transport.CanResend(req) || !isTemporary(resp, err) || err != nil && req.Context().Err() != nil {
			return resp, err
		}
		wait := delay(resp, sent)
		why := "connection broke"
		if err == nil {
			why = fmt.Sprintf("status %d", resp.StatusCode)
			closeBody(resp)
		}
		level := slog.LevelInfo
		if wait >= longWait {
			level = slog.LevelWarn
		}
		s.log.Log(req.Context(), level, "waiting to send again", "method", req.Method, "why", why, "sent", sent, "wait", wait.Round(time.Millisecond))
		if err := transport.Sleep(req.Context(), wait); err != nil {
			return nil, err
		}
		if req, err = transport.Resend(req); err != nil {
			return nil, err
		}
	}
}

func isPush(method string) bool {
	return method == http.MethodPost || method == http.MethodPatch || method == http.MethodPut
}

// isTemporary reports whether repeating a request may help.
func isTemporary(resp *http.Response, err error) bool {
	if err != nil {
		var source *sourceError
		return !errors.As(err, &source) && !IsPermanent(err)
	}
	switch resp.StatusCode {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
}

// isDown reports whether a server is unreachable or reports an outage. A Quay whose
// database is down answers 500 with an HTML page (doc/quay-api.md, "Corrections").
func isDown(resp *http.Response, err error) bool {
	if err != nil {
		return !transport.IsOtherProtocol(err)
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusInternalServerError:
		return isPage(resp)
	}
	return false
}

// IsPermanent reports whether repeating a request is useless: the transport has given up
// on the host for all requests, a proxy refuses them, or the server's certificate or
// protocol is wrong.
func IsPermanent(err error) bool {
	if down := interface{ HostDown() bool }(nil); errors.As(err, &down) && down.HostDown() {
		return true
	}
	proxy, ok := errors.AsType[*transport.ProxyError](err)
	return ok && proxy.IsPermanent() || transport.IsOtherProtocol(err)
}

// delay returns how long to wait before a request is sent again: the server's
// Retry-After plus a random time, so that not all clients return at once. Without that
// header it is a random part of a doubling wait. After maxSends, delay returns at least
// the doubling wait.
func delay(resp *http.Response, sent int) time.Duration {
	d := min(minWait<<min(sent-1, 10), longest)
	d = d/2 + rand.N(d/2)
	if resp == nil {
		return d
	}
	after, ok := transport.RetryAfter(resp.Header, time.Now())
	if !ok {
		return d
	}
	after = min(after, maxWait) + rand.N(minWait)
	if sent < maxSends {
		return after
	}
	return max(after, d)
}

// A source is the body of an upload, of a known length. Its read errors are
// sourceErrors, because repeating the upload does not help.
type source struct {
	from io.ReadCloser
	left int64
}

// A sourceError is an error of reading the content to upload.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read the content to upload: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.left -= int64(n)
	switch {
	case s.left < 0:
		return 0, &sourceError{errors.New("content is longer than announced")}
	case errors.Is(err, io.EOF) && s.left > 0:
		return n, &sourceError{io.ErrUnexpectedEOF}
	case err != nil && !errors.Is(err, io.EOF):
		return n, &sourceError{err}
	}
	return n, err
}

func (s *source) Close() error { return s.from.Close() }

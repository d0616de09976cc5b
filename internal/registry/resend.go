// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxSends is how often a request is sent, at most, that a server answers.
	// One that meets a server that is gone, or says that it is down, is sent for
	// patience: a server restarts in less.
	maxSends = 5
	patience = 2 * time.Minute
	// Waits double from minWait to longest, unless the server names one.
	minWait = 500 * time.Millisecond
	longest = 8 * time.Second
	maxWait = 2 * time.Minute // of what a Retry-After can ask for
	// longWait is worth a warning.
	longWait = 30 * time.Second
)

// A resender sends pushes again (POST, PATCH, PUT) that were refused (429), met
// a server in trouble (5xx), or lost their connection: when they have no body,
// or one that can be had again by GetBody. All that is pushed is named by its
// digest, so twice is as good as once. GET and HEAD are the base's to repeat.
type resender struct {
	base http.RoundTripper
	log  *slog.Logger
}

// RoundTrip sends the request until there is an answer worth having. Like any
// transport's, a status is no error: the last answer is returned as it is.
func (s *resender) RoundTrip(req *http.Request) (*http.Response, error) {
	var failed time.Time // first
	for sent := 1; ; sent++ {
		resp, err := s.base.RoundTrip(req)
		if failed.IsZero() {
			failed = time.Now()
		}
		enough := sent >= maxSends && (!isDown(resp, err) || time.Since(failed) > patience)
		if enough || !resendable(req) || !passing(resp, err) || err != nil && req.Context().Err() != nil {
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
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
		if req, err = renew(req); err != nil {
			return nil, err
		}
	}
}

// resendable tells whether a request is a push whose body can be had again.
func resendable(req *http.Request) bool {
	switch req.Method {
	case http.MethodPost, http.MethodPatch, http.MethodPut:
		return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	}
	return false
}

// passing tells whether what went wrong may have gone by the next time.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		var source *sourceError
		return !errors.As(err, &source) && !HostDown(err) && !isOtherProtocol(err)
	}
	switch resp.StatusCode {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
}

// isDown reports whether a server is gone or says that it is down: a Quay whose
// database is away answers 500 with a page (doc/quay-api.md, "Corrections").
func isDown(resp *http.Response, err error) bool {
	if err != nil {
		return !isOtherProtocol(err)
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusInternalServerError:
		return isPage(resp)
	}
	return false
}

// isOtherProtocol reports whether a server has a certificate that is not trusted, or
// speaks something else. That stays the same.
func isOtherProtocol(err error) bool {
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, new(*tls.CertificateVerificationError)) ||
		errors.As(err, new(tls.RecordHeaderError))
}

// HostDown reports whether an error says that the transport has waited for the
// host for as long as it does, for all requests together: to ask it again is of
// no use.
func HostDown(err error) bool {
	var down interface{ HostDown() bool }
	return errors.As(err, &down) && down.HostDown()
}

// renew makes the request anew, with its body from the beginning.
func renew(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again.Body = body
	return again, nil
}

// delay is the server's Retry-After with a little on top, so that not everyone
// comes back at once, or a random part of a doubling wait. A server that stays
// down is not asked more often than that, whatever it says.
func delay(resp *http.Response, sent int) time.Duration {
	d := min(minWait<<min(sent-1, 10), longest)
	d = d/2 + rand.N(d/2)
	if resp != nil {
		if after, ok := retryAfter(resp.Header, time.Now()); ok {
			after = min(after, maxWait) + rand.N(minWait)
			if sent < maxSends {
				return after
			}
			return max(after, d)
		}
	}
	return d
}

// retryAfter reads a Retry-After header in either of its forms.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// sleep waits for d, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A source is the body of an upload: exactly so many bytes of what is to be
// sent. An error of its own is a sourceError, which sending again does not help.
type source struct {
	from io.ReadCloser
	left int64
}

// A sourceError is of what was to be sent, and not of the sending.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read what is to be uploaded: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.left -= int64(n)
	switch {
	case s.left < 0:
		return 0, &sourceError{errors.New("it is longer than announced")}
	case errors.Is(err, io.EOF) && s.left > 0:
		return n, &sourceError{io.ErrUnexpectedEOF}
	case err != nil && !errors.Is(err, io.EOF):
		return n, &sourceError{err}
	}
	return n, err
}

func (s *source) Close() error { return s.from.Close() }

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// unread is how long a body may take for leastBytes, or for its end, before it
	// is given up. A Quay's front end waits for its backend as long (doc/quay-api.md
	// section 6). So few bytes are a quarter of what each of 16 transfers gets over
	// a line of 128 kbit/s. Time in which nobody reads the body does not count.
	unread     = time.Minute
	leastBytes = 16 << 10
	// soon is how long a small body may take to be a sign of life of its host. It
	// is also how long a body that is called off may have been silent.
	soon = 5 * time.Second
	// buffered is how much of an upload the system may take before the server does.
	buffered = 8 << 20
)

// ErrStalled is met, by errors.Is, by the error of a body that came too slowly, or
// not at all.
var ErrStalled = errors.New("the answer stalled")

var (
	errSilent = fmt.Errorf("%w: no byte came for a minute", ErrStalled)
	errSlow   = fmt.Errorf("%w: less than %d bytes came in a minute", ErrStalled, leastBytes)
	errUntook = errors.New("no byte was taken for a minute")
)

// A BodyError is the error of a body that broke off or stalled.
type BodyError struct {
	Host string
	// Shared reports that the host has sent nothing of use to anybody since the
	// last failure: the request may be repeated until an [OutageError] says that
	// the host is given up.
	Shared bool
	Err    error
}

func (e *BodyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BodyError) Unwrap() error { return e.Err }

// A steady reader ends an attempt whose body comes too slowly.
type steady struct {
	io.Reader
	end    context.CancelCauseFunc
	timer  *time.Timer   // ends a Read; nil before the first
	waited time.Duration // in Reads since there were leastBytes
	got    int           // bytes since then
}

// Read implements io.Reader. It reports, by lively, when leastBytes have come.
func (r *steady) read(p []byte) (n int, lively bool, err error) {
	if r.timer == nil {
		r.timer = time.AfterFunc(unread, func() { r.end(ErrStalled) })
	} else {
		r.timer.Reset(unread - r.waited)
	}
	begin := time.Now()
	n, err = r.Reader.Read(p)
	r.timer.Stop()
	r.waited += time.Since(begin)
	if r.got += n; r.got >= leastBytes {
		r.got, r.waited, lively = 0, 0, true
	}
	return n, lively, err
}

func (r *steady) Read(p []byte) (int, error) {
	n, _, err := r.read(p)
	return n, err
}

// cause replaces the cause of an attempt that read ended.
func (r *steady) cause(err error) error {
	switch {
	case err != ErrStalled:
		return err
	case r.got > 0:
		return errSlow
	}
	return errSilent
}

// A body is a response's body that releases its slot at its end, and reports to the
// host whether it came.
type body struct {
	io.Closer
	steady
	attempt *attempt
	begun   time.Time // when the header came
	awaited bool      // the host's sign of life
	some    bool      // of it has come
}

func newBody(resp *http.Response, a *attempt, awaited bool) *body {
	return &body{Closer: resp.Body, steady: steady{Reader: resp.Body, end: a.end}, attempt: a, begun: time.Now(), awaited: awaited}
}

func (b *body) Read(p []byte) (int, error) {
	n, lively, err := b.read(p)
	a := b.attempt
	b.some = b.some || n > 0
	if lively {
		b.conclude(nil, true)
	}
	if err == nil {
		return n, nil
	}
	defer a.release() // not before: others would go first
	switch {
	case err == io.EOF:
		b.conclude(nil, (b.awaited || b.some) && time.Since(b.begun) <= soon)
	case a.req.Context().Err() != nil:
		if b.got == 0 && b.waited >= soon {
			b.conclude(errSilent, false)
		}
		b.conclude(nil, false)
	default:
		err = b.conclude(b.cause(a.explain(err)), false)
	}
	return n, err
}

// conclude reports to the host what came of the body, once unless more of it comes.
// It returns the error for the body's reader.
func (b *body) conclude(err error, lively bool) error {
	h := b.attempt.slot.job.host
	if lively && b.attempt.good {
		h.progress()
		h.fed.Store(h.alive.Load())
	}
	shared := false
	if b.awaited || err != nil {
		shared = h.body(b.attempt.slot, err, lively)
		b.awaited = false
	}
	if err == nil || isOutage(err) {
		return err
	}
	return &BodyError{Host: h.address, Shared: shared, Err: err}
}

func (b *body) Close() error {
	err := b.Closer.Close()
	b.conclude(nil, b.awaited && time.Since(b.begun) <= soon)
	b.attempt.release()
	b.attempt.cancel() // not before: HTTP/2 would take it for a call off
	return err
}

// An upload is a request's body. The attempt ends if nobody takes its bytes. Time
// in which they are read, from a disk perhaps, does not count, and neither does the
// time before the first: the request may have to wait. From the end on, the base's
// bound on the header of the answer counts.
type upload struct {
	io.ReadCloser
	host  *host
	timer *time.Timer
	sent  int64
}

func newUpload(body io.ReadCloser, a *attempt) *upload {
	u := &upload{ReadCloser: body, host: a.slot.job.host}
	u.timer = time.AfterFunc(unread, func() { a.end(errUntook) })
	u.timer.Stop()
	return u
}

func (u *upload) Read(p []byte) (int, error) {
	u.timer.Stop()
	n, err := u.ReadCloser.Read(p)
	if u.sent += int64(n); n > 0 && u.sent > buffered {
		u.host.progress()
	}
	if err == nil {
		u.timer.Reset(unread)
	}
	return n, err
}

func (u *upload) Close() error {
	u.timer.Stop()
	return u.ReadCloser.Close()
}

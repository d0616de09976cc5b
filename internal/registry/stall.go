// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxSilence is how long a body may take for leastBytes while it is read, or
	// for its end. A Quay's front end waits for its backend as long
	// (doc/quay-api.md section 6).
	maxSilence = time.Minute
	// leastBytes is a quarter of what each of 16 transfers gets over a line of
	// 128 kbit/s.
	leastBytes = 16 << 10
)

// ErrStalled is met by the error of an answer that was given up because it came
// too slowly, or not at all.
var ErrStalled = errors.New("the answer stalled")

// Errors of a body that was given up: that came, and that was sent.
var (
	errSilent = fmt.Errorf("%w: no byte came for a minute", ErrStalled)
	errSlow   = fmt.Errorf("%w: less than %d bytes came in a minute", ErrStalled, leastBytes)
	errDeaf   = errors.New("no byte was taken for a minute")
)

// A watched transport gives up bodies that stay silent, and uploads that nobody
// reads. The system finds out when a connection is dead, but not when a server
// just holds it open.
type watched struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t watched) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	sent := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		deaf := time.AfterFunc(maxSilence, func() { cancel(errDeaf) })
		deaf.Stop() // it may have to wait for its turn
		sent.Body = &watchedUpload{req.Body, deaf}
	}
	resp, err := t.base.RoundTrip(sent)
	if err != nil {
		if context.Cause(ctx) == errDeaf {
			err = errDeaf
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel}
	return resp, nil
}

// A watchedUpload is a body that is sent. From its end on, it is the transport's
// bound on the header of an answer that counts.
type watchedUpload struct {
	io.ReadCloser
	deaf *time.Timer
}

func (u *watchedUpload) Read(p []byte) (int, error) {
	u.deaf.Stop() // to read from the disk may take its time
	n, err := u.ReadCloser.Read(p)
	if err == nil {
		u.deaf.Reset(maxSilence)
	}
	return n, err
}

func (u *watchedUpload) Close() error {
	u.deaf.Stop()
	return u.ReadCloser.Close()
}

// A watchedBody is a body and the context of its exchange, which ends a Read
// that waits.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   *time.Timer   // ends a Read; nil before the first
	waited time.Duration // in Reads since there were leastBytes
	got    int           // bytes since then
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.stop == nil {
		b.stop = time.AfterFunc(maxSilence, func() { b.cancel(ErrStalled) })
	} else {
		b.stop.Reset(maxSilence - b.waited)
	}
	begin := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.stop.Stop() // whoever reads may take its time
	b.waited += time.Since(begin)
	if err != nil && err != io.EOF && context.Cause(b.ctx) == ErrStalled {
		if err = errSilent; b.got > 0 {
			err = errSlow
		}
		return n, err
	}
	if b.got += n; b.got >= leastBytes {
		b.got, b.waited = 0, 0
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil) // not before: HTTP/2 would take it for a call off
	return err
}

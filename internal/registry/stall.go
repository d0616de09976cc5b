// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxSilence is how long a body may bring no byte while it is read. A Quay's
// front end waits for its backend as long (doc/quay-api.md section 6).
const maxSilence = time.Minute

// Errors of a body that was given up: that came, and that was sent.
var (
	errSilent = errors.New("no byte came for a minute")
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
	silent *time.Timer // nil before the first Read
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.silent == nil {
		b.silent = time.AfterFunc(maxSilence, func() { b.cancel(errSilent) })
	} else {
		b.silent.Reset(maxSilence)
	}
	n, err := b.ReadCloser.Read(p)
	b.silent.Stop() // whoever reads may take its time
	if err != nil && err != io.EOF && context.Cause(b.ctx) == errSilent {
		err = errSilent
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil) // not before: HTTP/2 would take it for a call off
	return err
}

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

// errSilent is the error of a body that was given up.
var errSilent = errors.New("no byte came for a minute")

// A watched transport gives up bodies that stay silent. The system finds out
// when a connection is dead, but not when a server just holds it open.
type watched struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t watched) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel}
	return resp, nil
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

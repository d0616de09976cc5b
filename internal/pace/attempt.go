// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

// mostAnnounced is how many 1xx answers may come before the final one: 100, 102, 103,
// and 104 of resumable uploads. net/http lets thousands pass.
const mostAnnounced = 8

// maxKept bounds how much is read, in bytes, of an answer that is not passed on.
const maxKept = 64 << 10

// An attempt is one request in flight, until its answer has been read.
type attempt struct {
	o           *Options
	slot        *slot
	req         *http.Request
	ctx         context.Context // of the attempt; the request's own context is req's
	cancel      context.CancelFunc
	end         context.CancelCauseFunc
	releaseOnce sync.Once
	odd         atomic.Pointer[error] // what is wrong with the 1xx answers
	good        bool                  // the answer is of use: its body is a sign of life
}

// attempt sends the request of a slot, and reports the outcome to the host. The slot is
// released when the answer has been read.
func (t *Transport) attempt(s *slot) outcome {
	begin := time.Now()
	a := &attempt{o: &t.o, slot: s, req: s.job.req}
	if s.control != nil {
		a.req = s.control.WithContext(a.req.Context())
	}
	ctx, end := context.WithCancelCause(a.req.Context())
	a.ctx, a.end, a.cancel = ctx, end, func() { end(nil) }
	if t.o.Timeout > 0 {
		late := fmt.Errorf("no complete answer within %v", t.o.Timeout)
		var stop context.CancelFunc
		a.ctx, stop = context.WithTimeoutCause(ctx, t.o.Timeout, late)
		a.cancel = func() { stop(); end(nil) }
	}
	s.job.host.begin(s, end)
	o := a.send()
	if o.resp == nil {
		a.release()
		a.cancel()
	}
	if o.lost && s.job.lost < maxLost {
		return o // the server did not handle it: it goes again at once
	}
	s.job.attempts++
	if t.o.Observe != nil {
		e := Event{Request: a.req, Attempt: s.job.attempts, Duration: time.Since(begin), Err: o.err}
		if o.resp != nil {
			e.Status, e.Proto, e.Err = o.resp.StatusCode, o.resp.Proto, o.invalid
		}
		t.o.Observe(e)
	}
	return o
}

// release releases the slot.
func (a *attempt) release() {
	a.releaseOnce.Do(func() { a.slot.job.host.done(a.slot) })
}

// send dials if needed, and sends the request. It returns after the answer's header, or
// after its body if Validate reads that.
func (a *attempt) send() outcome {
	h := a.slot.job.host
	if a.slot.dial != nil {
		c, err := a.slot.dial(a.ctx)
		err = a.explain(err)
		h.connected(a.req.Context(), a.slot, c, err)
		if err != nil {
			return outcome{err: err, unreached: true}
		}
	}
	sent := time.Now()
	resp, err := a.slot.conn.client.RoundTrip(a.outgoing())
	if odd := a.odd.Load(); err != nil && odd != nil {
		err = *odd // net/http may have met another error meanwhile
	}
	o := outcome{resp: resp, err: a.explain(err), latency: time.Since(sent)}
	switch {
	case err == nil && resp.StatusCode < http.StatusOK:
		_ = resp.Body.Close() // the body is the connection, which no context ends
		o.resp, o.err = nil, fmt.Errorf("%w: %d %s", ErrSwitched, resp.StatusCode, http.StatusText(resp.StatusCode))
	case err == nil:
		a.judge(&o)
		if a.o.Validate != nil && resp.StatusCode == http.StatusOK && a.req.Method == http.MethodGet {
			o.reading = true
			h.answered(a.slot, &o)
			a.read(&o)
			h.read(a.slot, &o)
			a.release() // not before: others would go first
			a.cancel()
			return o
		}
		o.reading = a.req.Method == http.MethodGet && resp.StatusCode < 300 && resp.ContentLength != 0 && resp.Body != http.NoBody
		resp.Body = newBody(resp, a, o.reading)
	case a.req.Context().Err() != nil:
		return o // the caller cancelled it: that says nothing of the server
	case strings.Contains(err.Error(), "ENHANCE_YOUR_CALM"): // HTTP/2's 429
		o.refusal = &refusal{err: err}
	default:
		o.down = a.ctx.Err() != nil
		o.lost = !o.down && h.lost(a.slot, err)
		o.unreached = !o.lost && !h.hopeless(o.err)
	}
	h.answered(a.slot, &o)
	a.good = !o.down && !o.suspect
	return o
}

// outgoing returns the request as it is sent.
func (a *attempt) outgoing() *http.Request {
	announced := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, _ textproto.MIMEHeader) error {
		if announced++; announced <= mostAnnounced && status <= http.StatusEarlyHints+1 {
			return nil
		}
		err := fmt.Errorf("%w: %d answers and no final one, the last with status %d", ErrSwitched, announced, status)
		a.odd.Store(&err)
		return err
	}}
	req := a.req.WithContext(httptrace.WithClientTrace(a.ctx, trace))
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = newUpload(req.Body, a)
	}
	return req
}

// judge classifies an answer by its status.
func (a *attempt) judge(o *outcome) {
	after, _ := transport.RetryAfter(o.resp.Header, time.Now())
	after = min(after, a.o.MaxWait)
	switch status := o.resp.StatusCode; {
	case status == http.StatusTooManyRequests && isMount(a.req):
		// Nobody waits for a mount: the blob is uploaded instead.
	case status == http.StatusTooManyRequests:
		o.refusal = keep(o.resp, after)
	case down(status), isPage500(o.resp) && (a.slot.job.kind.listing || a.req.Header.Get("Authorization") == ""):
		o.down, o.after = true, after
	case status < 300:
		a.slot.job.host.accept(a.req)
	}
}

// isMount reports whether a request is to mount a blob of another repository
// (distribution specification, "Mounting a blob from another repository").
func isMount(req *http.Request) bool {
	return req.Method == http.MethodPost && req.URL.Query().Has("mount")
}

// explain returns the cause of an attempt that the host or a clock has ended, in place of
// the context's error.
func (a *attempt) explain(err error) error {
	if err == nil || err == io.EOF || a.req.Context().Err() != nil {
		return err
	}
	if cause := context.Cause(a.ctx); cause != nil && cause != context.Canceled {
		return cause
	}
	return transport.NameProxy(err)
}

// read reads the whole body and calls Validate. A body that does not come in time is a
// sign of a server in trouble.
func (a *attempt) read(o *outcome) {
	resp := o.resp
	defer resp.Body.Close()
	if resp.ContentLength > a.o.MaxBody {
		*o = outcome{err: fmt.Errorf("%w: %d bytes, and %d is the limit", ErrTooLarge, resp.ContentLength, a.o.MaxBody)}
		return
	}
	watched := &steady{Reader: io.LimitReader(resp.Body, a.o.MaxBody+1), end: a.end}
	data, err := io.ReadAll(watched)
	switch {
	case err != nil:
		late := a.ctx.Err() != nil && a.req.Context().Err() == nil
		*o = outcome{err: fmt.Errorf("read body: %w", watched.cause(a.explain(err))), down: late}
	case int64(len(data)) > a.o.MaxBody:
		*o = outcome{err: fmt.Errorf("%w: over %d bytes, which is the limit", ErrTooLarge, a.o.MaxBody)}
	default:
		o.invalid = a.o.Validate(a.req, resp, data)
		resp.Body = io.NopCloser(bytes.NewReader(data))
		resp.ContentLength = int64(len(data))
	}
}

// keep reads the body of a refusal, so that other requests can be given the same answer,
// and leaves it readable.
func keep(resp *http.Response, after time.Duration) *refusal {
	kept, _ := io.ReadAll(io.LimitReader(resp.Body, maxKept)) // a part of the body is good enough
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(kept), resp.Body), resp.Body}
	return &refusal{resp: resp, body: kept, after: after}
}

// answer returns the refusal as the answer to a request that was not sent.
func (r *refusal) answer(req *http.Request) (*http.Response, error) {
	if r.resp == nil {
		return nil, r.err
	}
	resp := *r.resp
	resp.Request = req
	resp.Header = r.resp.Header.Clone()
	resp.Body = io.NopCloser(bytes.NewReader(r.body))
	resp.ContentLength = int64(len(r.body))
	return &resp, nil
}

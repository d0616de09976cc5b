// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package front is what stands before Quay's own code: nginx with its limits and
// connections, and the network with its latency, bandwidth and faults. It passes
// requests on to a handler and counts them.
package front

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// A Config sets up a Front. The zero value adds nothing to what nginx does on
// every Quay.
type Config struct {
	Now       func() time.Time // the clock of the Date header; limits and faults run by real time
	Limits    Limits
	Later     *LaterLimits // nil: Limits hold for good
	ByAddress bool         // an HTTP/2 allowance belongs to an address, not to a connection
	Latency   time.Duration
	ByteRate  int64 // bytes a second for all answers together; 0: no bound
	Quirks
}

// Quirks are the faults and habits that a Front plays. A nil pointer is off.
type Quirks struct {
	Keepalive  bool
	Empty429   bool
	RetryAfter time.Duration // whole seconds; 0: none
	Capacity   float64       // requests a second; 0: no bound

	Outage           *Outage
	DatabaseRestarts *Interruption
	Refused          *Interruption

	HTML502, HTML404, HTML500, Random401, Malformed, Cut, Stall *Trigger
	RedirectAway, WrongBytes, Truncated, Endless                *Trigger // the last three on blobs
	CutFirst, StallFirst                                        *First   // on large blobs
}

// A Front passes requests on to Quay's own code. In this order it counts them,
// delays them, refuses those that are too long or too many, queues them, and plays
// a quirk. It is safe for concurrent use.
type Front struct {
	Quirks
	next    http.Handler
	now     func() time.Time
	done    <-chan struct{}
	stats   recorder
	latency time.Duration
	limiter limiter
	backend *line // nil: no bound
	pipe    *pipe // nil: no bound
	down    func(time.Duration)
}

// New returns a Front before next. Waits end with ctx.
func New(ctx context.Context, c Config, next http.Handler) *Front {
	f := &Front{Quirks: c.Quirks, next: next, now: c.Now, done: ctx.Done(), latency: c.Latency,
		limiter: limiter{byAddress: c.ByAddress, limits: c.Limits, later: c.Later}}
	if c.ByteRate > 0 {
		f.pipe = newPipe(c.ByteRate)
	}
	if c.Capacity > 0 {
		f.backend = &line{}
	}
	return f
}

// Stats returns a snapshot of the counters.
func (f *Front) Stats() Stats { return f.stats.snapshot() }

// OnRefused sets what stops the listener for a time when the quirk Refused begins.
// It must be called before the first request.
func (f *Front) OnRefused(down func(time.Duration)) { f.down = down }

// ServeHTTP answers one request. It panics with http.ErrAbortHandler if the
// answer is to look broken off.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w, stats: &f.stats, class: classOf(r.URL.Path), token: r.Header.Get("Authorization") != ""}
	defer a.end()
	loc := locate(r.URL.Path)
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	f.keep(a, r, loc)
	wait := func(d time.Duration) { f.wait(r, d) }
	wait(f.latency)
	switch {
	case tooLong(a, r): // which answered
	case !f.limiter.admit(r, loc):
		f.refuse(a)
	case !f.queue(a, a.class, wait):
	default:
		w = http.ResponseWriter(a)
		if f.pipe != nil {
			w = &narrow{ResponseWriter: w, pipe: f.pipe, wait: wait}
		}
		if w = f.disturb(w, r, a.class, wait); w != nil {
			f.next.ServeHTTP(w, r)
		}
	}
}

// wait waits for d of real time. If the client leaves or the server closes before
// that, it breaks the answer off.
func (f *Front) wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return
	case <-r.Context().Done():
	case <-f.done:
	}
	panic(http.ErrAbortHandler)
}

// patience is how long nginx waits for the backend, and for more of an answer
// (doc/quay-api.md section 6, proxy_read_timeout).
const patience = 60 * time.Second

// queue waits for a backend that serves requests one after another. It answers 504
// and reports false if that takes too long. The backend still serves a request
// that nobody waits for any more.
func (f *Front) queue(w http.ResponseWriter, class string, wait func(time.Duration)) bool {
	if f.backend == nil || class == "storage" {
		return true
	}
	d := f.backend.join(time.Duration(float64(time.Second) / f.Capacity))
	wait(min(d, patience))
	if d > patience {
		f.fail(w, http.StatusGatewayTimeout)
	}
	return d <= patience
}

// A connection is a connection of a listener to which requests belong.
type connection struct {
	serial   uint64
	requests atomic.Int64
}

type connectionKey struct{}

// Accepted counts a connection and returns a context for its requests.
func (f *Front) Accepted(ctx context.Context) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{serial: uint64(f.stats.accepted())})
}

// connectionOf returns the request's connection, or nil without a listener of ours.
func connectionOf(r *http.Request) *connection {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	return c
}

// maxConnectionRequests is how many requests a connection may carry.
const maxConnectionRequests = 1000

// keep sets when the connection ends (doc/quay-api.md section 6): over HTTP/1.1
// after every answer but a manifest's, and over both protocols after 1,000
// requests, which HTTP/2 announces with GOAWAY.
func (f *Front) keep(w http.ResponseWriter, r *http.Request, loc location) {
	c := connectionOf(r)
	last := false
	if c != nil {
		n := c.requests.Add(1)
		if n == 1 {
			f.stats.connected(r.ProtoMajor)
		}
		last = n >= maxConnectionRequests
	}
	if f.Keepalive {
		return
	}
	if last || r.ProtoMajor == 1 && loc != locOther && loc != locV1 && loc != locManifests {
		w.Header().Set("Connection", "close") // net/http sends GOAWAY on HTTP/2
	}
}

// headerBuffer is the size of each of nginx's large_client_header_buffers: a
// request line, and each header line, must fit one (doc/quay-api.md section 6,
// "sizes").
const headerBuffer = 8 << 10

// tooLong refuses a request line or a header line that does not fit nginx's
// buffer: 414, and 400 (recording http-long). So a registry token for too many
// repositories, or a long cursor, fails here as on Quay. HTTP/2 was not recorded
// and is assumed to be the same.
func tooLong(w http.ResponseWriter, r *http.Request) bool {
	if wire.RequestLine(r)+len("\r\n") > headerBuffer {
		const title = "414 Request-URI Too Large"
		wire.SendNginx(w, http.StatusRequestURITooLong, title, title, "")
		return true
	}
	for name, values := range r.Header {
		for _, v := range values {
			if len(name)+len(v)+len(": \r\n") > headerBuffer {
				const detail = "Request Header Or Cookie Too Large"
				wire.SendNginx(w, http.StatusBadRequest, "400 "+detail, "400 Bad Request", detail)
				return true
			}
		}
	}
	return false
}

// refuse answers 429 with nginx's page and no Retry-After (recording
// limit-http1), unless a quirk makes it a proxy's answer.
func (f *Front) refuse(w http.ResponseWriter) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(f.RetryAfter/time.Second), 10))
	}
	if f.Empty429 {
		w.Header().Set("X-Envoy-Ratelimited", "true")
		wire.SendText(w, http.StatusTooManyRequests, "", "")
		return
	}
	const title = "429 Too Many Requests"
	wire.SendNginx(w, http.StatusTooManyRequests, title, title, "")
}

// fail answers with the page of a part that is down.
func (f *Front) fail(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusTooManyRequests:
		f.refuse(w)
	case http.StatusInternalServerError:
		wire.SendText(w, status, "text/html", wire.GunicornPage(status))
	case http.StatusBadGateway:
		wire.SendText(w, status, "text/html", wire.LoadingPage)
	case http.StatusServiceUnavailable: // Envoy's, inferred (doc/quay-api.md section 6)
		wire.SendText(w, status, "text/plain", "upstream connect error or disconnect/reset before headers")
	case http.StatusGatewayTimeout:
		wire.SendNginx(w, status, "504 Gateway Time-out", "504 Gateway Time-out", "")
	default:
		title := strconv.Itoa(status) + " " + http.StatusText(status)
		wire.SendNginx(w, status, title, title, "")
	}
}

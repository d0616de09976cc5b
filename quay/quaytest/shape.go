// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// shape is how a server treats requests whatever they ask for. The zero value
// adds nothing to what every Quay's front end does.
type shape struct {
	limits   Limits
	limitKey LimitKey
	latency  time.Duration
	byteRate int64             // bytes a second; 0: as fast as it goes
	quirks   map[string]string // name to value
}

// WithLimits makes the server refuse requests above a rate with 429. Rates
// run by real time, whatever [WithClock] says.
func WithLimits(l Limits) Option {
	return func(c *config) error { c.shape.limits = l; return nil }
}

// WithLimitKey says what shares an allowance. The default is [LimitByConnection].
func WithLimitKey(k LimitKey) Option {
	return func(c *config) error {
		if k != LimitByConnection && k != LimitByAddress {
			return fmt.Errorf("quaytest: limit key %q: want %q or %q", k, LimitByConnection, LimitByAddress)
		}
		c.shape.limitKey = k
		return nil
	}
}

// WithLatency delays every answer, refusals too, by d of real time. A d
// beyond a client's time-out makes a server that never begins to answer.
func WithLatency(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("quaytest: latency %v is negative", d)
		}
		c.shape.latency = d
		return nil
	}
}

// WithByteRate bounds the bodies of all answers together to so many bytes a
// second of real time. 0 takes the bound away.
func WithByteRate(bytesPerSecond int64) Option {
	return func(c *config) error {
		if bytesPerSecond < 0 {
			return fmt.Errorf("quaytest: byte rate %d is negative", bytesPerSecond)
		}
		c.shape.byteRate = bytesPerSecond
		return nil
	}
}

// WithQuirk switches on the quirk of that name: see [Quirks]. An unknown
// name, a value the quirk cannot use, and a quirk given twice are errors.
func WithQuirk(name, value string) Option {
	return func(c *config) error {
		if err := checkQuirk(name, value); err != nil {
			return err
		}
		if _, twice := c.shape.quirks[name]; twice {
			return fmt.Errorf("quaytest: quirk %q is given twice", name)
		}
		if c.shape.quirks == nil {
			c.shape.quirks = map[string]string{}
		}
		c.shape.quirks[name] = value
		return nil
	}
}

// quirk tells whether a quirk is on, and with which value.
func (s shape) quirk(name string) (value string, on bool) {
	value, on = s.quirks[name]
	return value, on
}

// wrap puts the front end before next. Waits end with ctx; now is the clock
// that the Date header shows.
func (s shape) wrap(ctx context.Context, next http.Handler, now func() time.Time) *front {
	f := &front{next: next, now: now, done: ctx.Done(), stats: &recorder{}, latency: s.latency}
	f.limiter = limiter{key: s.limitKey, limits: s.limits}
	if s.byteRate > 0 {
		f.pipe = newPipe(s.byteRate)
	}
	f.setQuirks(s)
	return f
}

// A front does what the machinery before Quay's own code does to a request,
// in this order: it counts it, delays it, refuses what is too long or too
// much, lets it queue, plays a quirk, or passes it on through the pipe.
type front struct {
	next    http.Handler
	now     func() time.Time
	done    <-chan struct{}
	stats   *recorder
	latency time.Duration
	limiter limiter
	pipe    *pipe // nil: no bound
	quirkSet
}

// ServeHTTP answers one request. It ends in a panic with http.ErrAbortHandler
// when the answer is to look broken off.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w, stats: f.stats, class: classOf(r.URL.Path), token: r.Header.Get("Authorization") != ""}
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

// wait lets d of real time pass. When the client leaves or the handler is
// closed meanwhile, it breaks the answer off.
func (f *front) wait(r *http.Request, d time.Duration) {
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

// A connection is what a [Server] knows of the connection a request came by.
type connection struct {
	serial   uint64
	requests atomic.Int64
}

type connectionKey struct{}

// connectionOf gives the request's connection, or nil under another server.
func connectionOf(r *http.Request) *connection {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	return c
}

// keepaliveRequests is how many requests a connection may carry.
const keepaliveRequests = 1000

// keep says when the connection ends (doc/quay-api.md section 6): over
// HTTP/1.1 after every answer but a manifest's, and over both protocols after
// 1,000 requests, which HTTP/2 is told with GOAWAY.
func (f *front) keep(w http.ResponseWriter, r *http.Request, loc location) {
	c := connectionOf(r)
	last := false
	if c != nil {
		n := c.requests.Add(1)
		if n == 1 {
			f.stats.connected(r.ProtoMajor)
		}
		last = n >= keepaliveRequests
	}
	if f.keepalive {
		return
	}
	if last || r.ProtoMajor == 1 && loc != locOther && loc != locV1 && loc != locManifests {
		w.Header().Set("Connection", "close") // net/http makes it GOAWAY on HTTP/2
	}
}

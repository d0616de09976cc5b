// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

const (
	// DefaultMaxWait bounds the wait for one Retry-After.
	DefaultMaxWait = 5 * time.Minute
	// DefaultMaxElapsed bounds how long a failing request is repeated, and how long
	// the requests of a class are while all of them are refused.
	DefaultMaxElapsed = 10 * time.Minute
	// DefaultMaxBody bounds a body that Options.Validate reads, in bytes.
	DefaultMaxBody = 32 << 20
	// DefaultConnections is the default number of HTTP/2 connections to a host at
	// most, and MaxConnections the most that can be set.
	DefaultConnections = 8
	MaxConnections     = 16

	// h1PerConnection is how many HTTP/1.1 connections, which carry one request at a
	// time, count as one HTTP/2 connection.
	h1PerConnection = 8
)

// ErrTooLarge is met, by errors.Is, by the error for a body over Options.MaxBody.
var ErrTooLarge = errors.New("body too large")

// ErrSwitched is met, by errors.Is, by the error for an answer that leaves HTTP, such as
// 101 Switching Protocols.
var ErrSwitched error = switchedError{}

type switchedError struct{}

func (switchedError) Error() string {
	return "the server, or a proxy before it, changes the protocol, which was not asked for"
}

// HostDown marks the error as [OutageError.HostDown] does.
func (switchedError) HostDown() bool { return true }

// Options set up a Transport. The zero value retries nothing.
type Options struct {
	// Base carries the attempts; nil is http.DefaultTransport. From an
	// *http.Transport single connections are made, with all its settings. Any other
	// base keeps its own connections; rates are governed all the same.
	Base http.RoundTripper

	Retries int           // attempts after the first; refusals do not count, but with 0 the first refusal is final
	Logger  *slog.Logger  // logs waits and what is learned; nil is silent
	Timeout time.Duration // of an attempt with its body, without the wait for a slot; 0 is none
	MaxWait time.Duration // longest single wait; 0 is DefaultMaxWait

	// MaxElapsed bounds how long a failing request is repeated; 0 is DefaultMaxElapsed.
	MaxElapsed time.Duration
	// Seed makes the random part of waits the same in each run; 0 is a random seed.
	Seed uint64

	// Rate, in requests a second, and Burst replace what is published if they are
	// above 0, and are never exceeded. Rate is for all requests to a host together,
	// over one connection; without Burst its burst is one second's worth. Burst alone
	// replaces the published burst.
	Rate, Burst float64

	// Connections is how many HTTP/2 connections to a host there are at most, up to
	// MaxConnections; 0 is DefaultConnections. Any number but the default is also
	// used for a host whose limit is not the published one.
	Connections int

	// Validate returns what is wrong with the body of a 200, or nil. A 200 that it
	// rejects is repeated, and returned as it is when there are no retries left.
	// If Validate is nil, bodies are streamed; otherwise those of 200s are read
	// first, up to MaxBody bytes.
	Validate func(*http.Request, *http.Response, []byte) error
	MaxBody  int64 // 0 is DefaultMaxBody

	// Observe is called after each attempt, from the goroutine that made it.
	Observe func(Event)

	askedConnections bool // Connections is not the default
	random           *random

	dialers func(*url.URL) dialer // for tests: in place of Base's connections
}

// An Event is one attempt of a request: what went over the wire.
type Event struct {
	Request  *http.Request // not to be changed; its headers hold secrets
	Attempt  int           // 1 is the first
	Status   int           // 0: no answer
	Proto    string        // such as HTTP/2.0; "" without an answer
	Duration time.Duration // with the body if Validate read it; without the wait for a slot
	Err      error         // why there is no answer, or no readable one
}

// Log logs the attempt, at level debug. show and tidy return its URL and the text of its
// error without secrets.
func (e Event) Log(l *slog.Logger, show func(*url.URL) string, tidy func(string) string) {
	ctx := e.Request.Context()
	if !l.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", e.Request.Method),
		slog.String("url", show(e.Request.URL)),
		slog.Int("status", e.Status),
		slog.Duration("duration", e.Duration),
		slog.String("protocol", e.Proto),
	}
	if e.Attempt > 1 {
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", tidy(e.Err.Error())))
	}
	l.LogAttrs(ctx, slog.LevelDebug, "http exchange", attrs...)
}

// A Transport is an http.RoundTripper that keeps to what servers admit. It is safe for
// concurrent use if its base is, and has no goroutine of its own. One Transport should
// carry all requests to a server.
type Transport struct {
	o     Options
	mu    sync.Mutex
	hosts map[string]*host // by scheme://host:port
}

// New returns a Transport with o's defaults filled in.
func New(o Options) *Transport {
	if o.Base == nil {
		o.Base = http.DefaultTransport
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.MaxElapsed <= 0 {
		o.MaxElapsed = DefaultMaxElapsed
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	o.askedConnections = o.Connections > 0 && o.Connections != DefaultConnections
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	o.Connections = min(o.Connections, MaxConnections)
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	o.random = &random{r: rand.New(rand.NewPCG(o.Seed, 0))}
	return &Transport{o: o, hosts: map[string]*host{}}
}

// chosen returns the allowance that the user asked for.
func (o *Options) chosen() allowance {
	if o.Burst > 0 {
		return allowance{o.Rate, o.Burst}
	}
	return allowance{o.Rate, o.Rate}
}

// dialer returns how to connect to the host of a URL; nil leaves that to the base.
func (o *Options) dialer(u *url.URL) dialer {
	if o.dialers != nil {
		return o.dialers(u)
	}
	return dialerFor(o.Base, u)
}

// host returns the state of the server of a URL.
func (t *Transport) host(u *url.URL) *host {
	key := transport.Origin(u)
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hosts[key]
	if h == nil {
		h = newHost(&t.o, u)
		t.hosts[key] = h
	}
	return h
}

// CloseIdleConnections closes the Transport's own connections that carry no request. The
// base's connections are left to its owner. The Transport can still be used.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hosts {
		h.closeIdle()
	}
}

// random is a source of random numbers that is safe for concurrent use.
type random struct {
	mu sync.Mutex
	r  *rand.Rand
}

// below returns a number from 0 to n-1.
func (r *random) below(n int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Int64N(n)
}

// jitter returns a duration from 0 to less than d.
func (r *random) jitter(d time.Duration) time.Duration { return time.Duration(r.below(int64(d))) }

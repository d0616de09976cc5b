// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

// A limiter is nginx's limit_req with nodelay, as doc/quay-api.md section 6
// describes it: an excess that leaks out at the rate, by whole milliseconds. A
// refused request leaves it as it is.
type limiter struct {
	excess float64
	last   time.Time
}

func (l *limiter) admit(a allowance, now time.Time) bool {
	now = now.Truncate(millisecond)
	if l.last.IsZero() {
		l.last = now
		return true
	}
	ms := now.Sub(l.last).Milliseconds()
	excess := max(0, l.excess-a.rate*float64(ms)/1000+1)
	if excess > a.burst {
		return false
	}
	l.excess = excess
	if ms > 0 {
		l.last = now
	}
	return true
}

// settings describe a simulated server. Its times are those of a synctest bubble.
type settings struct {
	http1     bool          // HTTP/1.1, a connection a request: "Connection: close"
	latency   time.Duration // of the network, both ways together; connecting takes twice that
	jitter    time.Duration // up to so much more on the way there
	limit     allowance     // of limit_req; rate 0: none
	byAddress bool          // it counts by address, as it does over HTTP/1.1
	lifetime  int           // requests until it closes a connection; 0: any number
	idle      time.Duration // until it closes an unused connection; 0: never
	workers   int           // requests it does at once, in the order they come; 0: any number
	work      time.Duration // for a request
	noise     float64       // of work: the part that varies
	link      float64       // bytes a second that all bodies share; 0: any number

	// wander, if it is set, is what the network or the client's own machine adds
	// to an answer at a time.
	wander func(m *model, since time.Duration) time.Duration

	// gone, if it is set, returns why the server cannot be reached at a time,
	// or nil; errNoAnswer is a server that accepts and says nothing.
	gone func(since time.Duration) error

	// silent and trickles, if they are set, choose requests that get no answer, or
	// a body of a byte a second.
	silent   func(req *http.Request) bool
	trickles func(req *http.Request, since time.Duration) bool

	// answer, if it is set, may give a status of its own; 0 goes on.
	answer func(m *model, req *http.Request, since time.Duration) (int, http.Header)
}

// A model is such a server at work.
type model struct {
	settings
	mu      sync.Mutex
	began   time.Time
	rng     *rand.Rand
	address limiter
	busy    []time.Time // until when each worker is
	free    time.Time   // when the link has carried what is on it
	broken  error       // of dials

	conns []*modelConn

	dials, open, requests, refused int
	inflight, peak                 int // on the whole
	streams, streamPeak            int // bodies on the link
	carried                        int64
	connPeak                       int // on one connection
	latencies                      []time.Duration
}

func newModel(s settings) *model {
	return &model{settings: s, began: time.Now(), rng: rand.New(rand.NewPCG(1, 2)), busy: make([]time.Time, s.workers)}
}

// client returns a transport for the model.
func (m *model) client(o Options) *Transport {
	o.Base, o.Seed = m, cmp.Or(o.Seed, 1)
	o.dialers = func(*url.URL) dialer {
		if m.http1 {
			return nil
		}
		return m.dial
	}
	return New(o)
}

func (m *model) dial(ctx context.Context) (clientConn, error) {
	m.mu.Lock()
	m.dials++
	err := m.broken
	m.mu.Unlock()
	if away := m.away(); away != nil && away != errNoAnswer {
		err = away
	}
	if wait := transport.Sleep(ctx, 2*m.latency); wait != nil {
		return nil, wait
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &modelConn{m: m, used: time.Now()}
	m.open++
	m.conns = append(m.conns, c)
	return c, nil
}

// errNoAnswer is a server that accepts requests and does not answer.
var errNoAnswer = errors.New("silent")

// away returns why the server cannot be reached now, or nil.
func (m *model) away() error {
	if m.gone == nil {
		return nil
	}
	return m.gone(time.Since(m.began))
}

// RoundTrip makes the model a base with connections of its own.
func (m *model) RoundTrip(req *http.Request) (*http.Response, error) {
	c, err := m.dial(req.Context())
	if err != nil {
		return nil, err
	}
	return c.RoundTrip(req)
}

// serve decides over a request that has arrived, and how long it takes.
func (m *model) serve(c *modelConn, req *http.Request) (status int, h http.Header, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	now := time.Now()
	if m.answer != nil {
		if status, h = m.answer(m, req, now.Sub(m.began)); status != 0 {
			return status, h, 0
		}
	}
	l := &c.limiter
	if m.byAddress || m.http1 {
		l = &m.address
	}
	if m.limit.rate > 0 && !l.admit(m.limit, now) {
		return http.StatusTooManyRequests, nil, 0
	}
	took = time.Duration(float64(m.work) * (1 + m.noise*(m.rng.ExpFloat64()-1)))
	if m.workers == 0 {
		return http.StatusOK, nil, took
	}
	first := 0
	for i, t := range m.busy {
		if t.Before(m.busy[first]) {
			first = i
		}
	}
	if m.busy[first].Before(now) {
		m.busy[first] = now
	}
	m.busy[first] = m.busy[first].Add(took)
	return http.StatusOK, nil, m.busy[first].Sub(now)
}

// A modelConn is one connection to it.
type modelConn struct {
	m *model
	limiter
	inflight, served int
	used             time.Time
	closed           bool // by the server
	shut             bool // by the client
}

var errGone = errors.New("http2: client conn not usable")

func (c *modelConn) RoundTrip(req *http.Request) (*http.Response, error) {
	begin, m := time.Now(), c.m
	m.mu.Lock()
	if c.gone() {
		m.mu.Unlock()
		return nil, errGone
	}
	c.served++
	c.inflight++
	m.inflight++
	m.peak, m.connPeak = max(m.peak, m.inflight), max(m.connPeak, c.inflight)
	c.closed = m.lifetime > 0 && c.served >= m.lifetime
	there := m.latency / 2
	if m.jitter > 0 {
		there += time.Duration(m.rng.Int64N(int64(m.jitter)))
	}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		c.inflight--
		m.inflight--
		c.used = time.Now()
		m.latencies = append(m.latencies, time.Since(begin))
	}()
	if err := transport.Sleep(req.Context(), there); err != nil {
		return nil, err
	}
	err := m.away()
	if m.silent != nil && m.silent(req) {
		err = errNoAnswer
	}
	switch {
	case err == errNoAnswer:
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(65 * time.Second): // as net/http's bound on the header
			return nil, errors.New("timeout awaiting response headers")
		}
	case err != nil:
		c.lose()
		return nil, err
	}
	status, header, took := m.serve(c, req)
	if err := transport.Sleep(req.Context(), took+m.latency/2); err != nil {
		return nil, err
	}
	if err := m.queued(req.Context()); err != nil {
		return nil, err
	}
	if m.wander != nil {
		m.mu.Lock()
		more := m.wander(m, time.Since(m.began))
		m.mu.Unlock()
		if err := transport.Sleep(req.Context(), more); err != nil {
			return nil, err
		}
	}
	if status == http.StatusTooManyRequests {
		m.mu.Lock()
		m.refused++
		m.mu.Unlock()
	}
	if header == nil {
		header = http.Header{}
	}
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/2.0", ProtoMajor: 2, Header: header, Request: req,
	}
	if resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader("{}")), 2; status == http.StatusOK {
		resp.Body, resp.ContentLength = m.bodyFor(req.Context(), req)
	}
	if m.trickles != nil && m.trickles(req, time.Since(m.began)) {
		resp.Body, resp.ContentLength = io.NopCloser(&trickle{req.Context(), req.Context().Err, 1000}), 1000
	}
	if m.http1 {
		resp.Proto, resp.ProtoMajor, resp.ProtoMinor = "HTTP/1.1", 1, 1
	}
	return resp, nil
}

// lose ends the connection from the server's side.
func (c *modelConn) lose() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.closed = true
}

func (c *modelConn) gone() bool {
	return c.closed || c.m.idle > 0 && c.inflight == 0 && time.Since(c.used) > c.m.idle
}

func (c *modelConn) Available() int {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.gone() {
		return 0
	}
	return 128 - c.inflight
}

func (c *modelConn) InFlight() int {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return c.inflight
}

func (c *modelConn) Err() error { return nil }

func (c *modelConn) Close() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.open--
	c.shut = true
	return nil
}

// usable is how many connections there are that take requests.
func (m *model) usable() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		if !c.shut && !c.gone() {
			n++
		}
	}
	return n
}

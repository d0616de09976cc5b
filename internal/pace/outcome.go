// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An outcome is the result of an attempt.
type outcome struct {
	resp    *http.Response // nil: no answer
	err     error          // why not
	invalid error          // what Validate said about the answer
	refusal *refusal       // the server refused it: 429
	after   time.Duration  // the Retry-After of a server that is down
	down    bool           // the server is in trouble or too slow
	reading bool           // the body shows whether the answer is of use
	suspect bool           // either the server is in trouble or the token is to blame
	lost    bool           // the server closed the connection without an answer
	// There is no connection, or it broke before an answer began.
	unreached bool
	latency   time.Duration // to the answer's header
}

// connected records the result of a dial.
func (h *host) connected(ctx context.Context, s *slot, c clientConn, err error) {
	h.mu.Lock()
	defer h.unlock()
	h.dials++
	if err == nil {
		s.conn.connected(c, h.room)
		now := time.Now()
		if s.limited {
			s.classQueue.budget.connected(s.index, now.Sub(s.sent))
		}
		s.sent = now
		if h.major > 0 {
			h.warm(s) // the protocol is known: others may follow at once
			h.dispatch()
		}
		return
	}
	if ctx.Err() != nil {
		return // the caller cancelled it
	}
	hopeless := permanent(err) || noName(err) && !h.outage.answered
	alive := h.working()
	for _, f := range h.classQueues {
		switch {
		case alive:
			f.budget.confine() // the server takes no more connections
		case hopeless:
			h.clear(f, grant{err: err}) // all were waiting for this connection
		}
	}
	if !hopeless {
		h.failing(s, err, 0, time.Now())
	}
}

// working reports whether there is a working connection.
func (h *host) working() bool {
	for _, n := range h.connSlots {
		if n.conn != nil && n.conn.worked && !n.conn.gone() {
			return true
		}
	}
	return false
}

// answered records the outcome of the request of s.
func (h *host) answered(s *slot, o *outcome) {
	h.mu.Lock()
	defer h.unlock()
	now, f := time.Now(), s.classQueue
	s.answered = true
	f.unanswered--
	if !o.reading {
		delete(h.open, s)
	}
	if o.resp != nil {
		h.outage.answered = true
		h.arrived(s, o.resp, now)
	}
	h.warm(s)
	if o.resp != nil && isPage500(o.resp) && !o.down {
		h.suspect(s, o)
	}
	if f.good && f.class == api && o.resp != nil && isPage(o.resp, http.StatusNotFound) {
		o.down = true // Quay's own answer is JSON: the backend of an older Quay is gone
	}
	switch {
	case s.limited && o.refusal != nil:
		f.budget.refused(s.index, now, s.sent)
	case s.limited:
		f.budget.answered(s.sent, now, o.resp != nil)
	}
	switch {
	case o.lost:
	case o.down, o.unreached, o.suspect:
		if !o.suspect {
			h.outage.proven = now
		}
		h.failing(s, o.cause(), o.after, now)
	case o.reading: // the body decides
	case h.outage.mute && o.refusal == nil: // an answer without a body
		h.neutral(s)
	case o.resp != nil || o.refusal != nil:
		h.well(now)
	}
	switch {
	case o.refusal != nil:
		f.refused++
		h.shut(f, s, o.refusal, now)
	case o.down, o.suspect:
		f.window.failed(s.epoch)
		f.gate.hold(now.Add(o.after))
	case o.resp != nil:
		f.gate.admit(s.sent)
		f.remember(s, o.resp, now)
		f.window.answered(s.job.kind, s.epoch, o.latency, s.loaded || h.long > 0, now)
		h.stream(s, o.resp)
	}
	h.dispatch()
}

// read records the result of a body that was read for Validate.
func (h *host) read(s *slot, o *outcome) {
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	delete(h.open, s)
	switch {
	case s.job.req.Context().Err() != nil: // that says nothing of the server
	case o.down:
		h.failing(s, o.err, 0, now)
	default:
		h.well(now)
	}
	h.dispatch()
}

// body records what came of a streamed body: it broke off or stalled, it was a sign
// of life, or neither. It reports whether the host is in trouble.
func (h *host) body(s *slot, err error, lively bool) bool {
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	delete(h.open, s)
	switch {
	case err != nil:
		h.failing(s, err, 0, now)
		h.outage.mute = !h.outage.began.IsZero()
	case lively:
		h.well(now)
	default:
		h.neutral(s)
	}
	h.dispatch()
	return h.outage.row > 1 || h.outage.shut
}

// neutral lets another request try whether the host is back, if s was to find out.
func (h *host) neutral(s *slot) {
	if s == h.outage.probe {
		h.outage.probe = nil
	}
}

// stream records that a long body is being read. The server has answered, so the request
// does not count in the window.
func (h *host) stream(s *slot, resp *http.Response) {
	if resp.ContentLength < longBody {
		return
	}
	s.long = true
	s.classQueue.long++
	h.long++
}

// shut closes the gate of a class. Without retries only a Retry-After closes it.
func (h *host) shut(f *classQueue, s *slot, r *refusal, now time.Time) {
	if h.o.Retries == 0 && r.after == 0 {
		return
	}
	if wait := f.gate.refuse(now, s.sent, r, h.o.MaxWait); wait > 0 {
		h.log.Info("waiting to try again", "why", r.why(), "host", h.address, "class", f.class.String(), "wait", wait.Round(time.Millisecond))
	}
}

// arrived records that the connection works, and which protocol it speaks.
func (h *host) arrived(s *slot, resp *http.Response, now time.Time) {
	s.connSlot.used = now
	s.conn.worked = true
	if s.warmup {
		h.room = s.conn.measure()
	}
	if h.major > 0 {
		return
	}
	h.major, h.proto = max(1, resp.ProtoMajor), resp.Proto
	if h.major == 1 && h.dial != nil {
		h.abandon(s.conn)
		h.usePool()
	}
	for _, f := range h.classQueues {
		f.budget = h.budget(f.class)
		f.window.most = float64(h.mostInFlight())
	}
}

// budget returns the budget that a class starts with.
func (h *host) budget(c class) *budget {
	now := time.Now()
	a := allowances[c].address
	if h.major > 1 {
		a = allowances[c].connection
	}
	if h.o.Burst > 0 {
		a.burst = h.o.Burst
	}
	if h.o.Rate > 0 {
		if h.shared == nil {
			h.shared = chosenBudget(h.o.chosen(), now)
		}
		return h.shared
	}
	b := openBudget(now)
	if a.rate > 0 {
		b = newBudget(a, governed(h.name), now)
	}
	if h.major > 1 && h.dial != nil {
		b.most, b.asked = h.o.Connections, h.o.askedConnections
	}
	return b
}

// warm allows other requests on the connection.
func (h *host) warm(s *slot) {
	if s.warmup {
		s.connSlot.warming, s.warmup = false, false
	}
}

// lost reports whether the server closed the connection of s, or the connection did not
// take the request.
func (h *host) lost(s *slot, err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	// net/http has no value for this error: a connection that is going away and full.
	if strings.Contains(err.Error(), "client conn not usable") {
		s.conn.spent = true
	}
	return s.conn.gone() || strings.Contains(err.Error(), "REFUSED_STREAM")
}

// done releases s.
func (h *host) done(s *slot) {
	h.mu.Lock()
	defer h.unlock()
	h.drop(s)
	h.dispatch()
}

// drop releases s, answered or not.
func (h *host) drop(s *slot) {
	delete(h.open, s)
	if s == h.outage.probe {
		h.outage.probe = nil // it was cancelled
	}
	if !s.answered {
		s.classQueue.unanswered--
		h.warm(s)
		if s.limited {
			s.classQueue.budget.answered(s.sent, time.Now(), false)
		}
	}
	s.classQueue.inflight--
	s.conn.inflight--
	if s.job.kind.listing {
		s.classQueue.listings--
	}
	if s.long {
		s.classQueue.long--
		h.long--
	}
	if s.conn.client == nil && s.connSlot.conn == s.conn {
		s.connSlot.conn = nil // the dial failed
	}
	if s.conn.retired {
		h.abandon(s.conn)
	}
}

// cause returns why an outcome is no answer of use, or nil.
func (o *outcome) cause() error {
	switch {
	case o.err != nil:
		return o.err
	case o.invalid != nil:
		return o.invalid
	case o.resp != nil && (o.down || o.resp.StatusCode >= 500 || o.refusal != nil):
		return statusError(o.resp.StatusCode)
	case o.refusal != nil:
		return o.refusal.err
	}
	return nil
}

// A refusal is a server's 429, kept as the answer for those that wait behind it.
type refusal struct {
	resp  *http.Response // nil: there is only err
	body  []byte
	err   error
	after time.Duration // the server's Retry-After
}

func (r *refusal) why() string {
	if r.resp == nil {
		return "enhance your calm"
	}
	return fmt.Sprintf("status %d", r.resp.StatusCode)
}

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

// An outcome is what came of an attempt.
type outcome struct {
	resp    *http.Response // nil: no answer
	err     error          // why not
	invalid error          // what Validate said about the answer
	refusal *refusal       // the server said that it was asked too much
	after   time.Duration  // a server that is down: its Retry-After
	down    bool           // the server is in trouble, or was too slow
	reading bool           // the body is read before the answer is passed on
	suspect bool           // the server is in trouble, or the token is to blame
	lost    bool           // the connection went away with the request unanswered
	// There is no connection, or it broke before an answer began: the host is
	// in trouble, if it is there.
	unreached bool
	latency   time.Duration // to the answer's header
}

// connected takes in what came of the dial that was s's to make.
func (h *host) connected(ctx context.Context, s *slot, c conn, err error) {
	h.mu.Lock()
	defer h.unlock()
	h.dials++
	if err == nil {
		s.link.connected(c, h.room)
		now := time.Now()
		if s.limited {
			s.flow.budget.connected(s.index, now.Sub(s.sent))
		}
		s.sent = now
		if h.major > 0 {
			h.warm(s) // the protocol is known: others may follow at once
			h.dispatch()
		}
		return
	}
	if ctx.Err() != nil {
		return // it was called off
	}
	hopeless := permanent(err) || noName(err) && !h.outage.answered
	alive := h.working()
	for _, f := range h.flows {
		switch {
		case alive:
			f.confine() // the server takes no more connections
		case hopeless:
			h.clear(f, turn{err: err}) // all were waiting for this one
		}
	}
	if !hopeless {
		h.failing(s, err, 0, time.Now())
	}
}

// working tells whether there is a connection.
func (h *host) working() bool {
	for _, n := range h.lanes {
		if n.link != nil && n.link.worked && !n.link.gone() {
			return true
		}
	}
	return false
}

// answered takes in the outcome of the request that s was given for.
func (h *host) answered(s *slot, o *outcome) {
	h.mu.Lock()
	defer h.unlock()
	now, f := time.Now(), s.flow
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
		o.down = true // a Quay's own answer is JSON: an older one's backend is gone
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
	case o.reading: // its body says more
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
		f.window.failed(s.epoch, s.job.down)
		f.gate.hold(now.Add(o.after))
	case o.resp != nil:
		f.gate.admit(s.sent)
		f.remember(s, o.resp, now)
		f.window.answered(s.job.kind, s.epoch, o.latency, s.loaded || h.long > 0, now)
		h.stream(s, o.resp)
	}
	h.dispatch()
}

// read records what came of the body of an answer that is read at once: the
// answer is of use when all of it is there.
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

// stream takes in that a body will be read for some time. The server has done
// its part: the window is for those that it has not answered.
func (h *host) stream(s *slot, resp *http.Response) {
	if resp.ContentLength < longBody {
		return
	}
	s.long = true
	s.flow.long++
	h.long++
}

// shut closes the gate of a flow. A caller who wants no retries waits for
// nothing but what the server asks for.
func (h *host) shut(f *flow, s *slot, r *refusal, now time.Time) {
	if h.o.Retries == 0 && r.after == 0 {
		return
	}
	if wait := f.gate.refuse(now, s.sent, r, h.o.MaxWait); wait > 0 {
		h.log.Info("waiting to try again", "why", r.why(), "host", h.address, "class", f.class.String(), "wait", wait.Round(time.Millisecond))
	}
}

// arrived takes in the first signs of an answer: the connection works, and
// speaks a protocol.
func (h *host) arrived(s *slot, resp *http.Response, now time.Time) {
	s.lane.used = now
	s.link.worked = true
	if s.warmup {
		h.room = s.link.measure()
	}
	if h.major > 0 {
		return
	}
	h.major, h.proto = max(1, resp.ProtoMajor), resp.Proto
	if h.major == 1 && h.dial != nil {
		h.abandon(s.link)
		h.usePool()
	}
	for _, f := range h.flows {
		f.budget = h.budget(f.class)
		f.window.most = float64(h.mostInFlight())
	}
}

// budget returns what a class may send at first.
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

// warm ends the time of a request alone on its lane.
func (h *host) warm(s *slot) {
	if s.warmup {
		s.lane.warming, s.warmup = false, false
	}
}

// lost tells whether the connection that s is on went away, or did not take the
// request.
func (h *host) lost(s *slot, err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	// net/http has no value for this error: a connection that is on its way
	// out, and as full as it can be.
	if strings.Contains(err.Error(), "client conn not usable") {
		s.link.spent = true
	}
	return s.link.gone() || strings.Contains(err.Error(), "REFUSED_STREAM")
}

// done gives s back.
func (h *host) done(s *slot) {
	h.mu.Lock()
	defer h.unlock()
	h.drop(s)
	h.dispatch()
}

// drop gives s back, answered or not.
func (h *host) drop(s *slot) {
	delete(h.open, s)
	if s == h.outage.probe {
		h.outage.probe = nil // called off
	}
	if !s.answered {
		s.flow.unanswered--
		h.warm(s)
		if s.limited {
			s.flow.budget.answered(s.sent, time.Now(), false)
		}
	}
	s.flow.inflight--
	s.link.inflight--
	if s.job.kind.listing {
		s.flow.listings--
	}
	if s.long {
		s.flow.long--
		h.long--
	}
	if s.link.conn == nil && s.lane.link == s.link {
		s.lane.link = nil // nothing came of the dial
	}
	if s.link.retired {
		h.abandon(s.link)
	}
}

// cause is why an outcome is no answer of use, or nil.
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

// A refusal is a server's answer that it was asked too much, kept for those
// that wait behind it.
type refusal struct {
	resp  *http.Response // nil: err is all there was
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

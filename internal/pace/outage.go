// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

const (
	// patience is how long all requests to a host together wait for a sign of life: a
	// server restarts in less.
	patience = 2 * time.Minute
	// firstPatience is the same for a host that has never answered: the address is
	// probably wrong.
	firstPatience = 15 * time.Second

	// fewFailures in a row, for longer than moment and without a good answer in
	// between, are an outage. Fewer may be the trouble of one request, or pass at once.
	// A single failure is an outage if nothing came for firstPatience.
	fewFailures = 4
	moment      = 250 * time.Millisecond
	// fewTries is how often one request tries whether the host is back before another
	// does: the trouble may be its own. Every second time a random request tries: the
	// oldest may all have trouble of their own.
	fewTries = 5
	// retrial is how often one request tries whether a host that was given up is back.
	// The others fail at once.
	retrial = 30 * time.Second
	// longOutage is how long an outage lasts before a warning is logged.
	longOutage = 5 * time.Second
)

// An OutageError is the error of a request that was not sent, or not sent
// again, because its host has not answered for too long. Last is the last
// failure of any request to the host.
type OutageError struct {
	Host    string
	Silence time.Duration
	Last    error
}

func (e *OutageError) Error() string {
	return fmt.Sprintf("%s has not answered for %v: %v", e.Host, e.Silence.Round(time.Second), e.Last)
}

func (e *OutageError) Unwrap() error { return e.Last }

// HostDown marks the error for packages that do not import this one: to send
// the request again is of no use.
func (e *OutageError) HostDown() bool { return true }

// An EndedError is the error of a request whose context ended while it was being
// repeated. It wraps both the context's error and Last, the last failure.
type EndedError struct {
	Err, Last error
	Status    int // of the last answer; 0 when there was none
}

func (e *EndedError) Error() string   { return fmt.Sprintf("%v; the last failure: %v", e.Err, e.Last) }
func (e *EndedError) Unwrap() []error { return []error{e.Err, e.Last} }

// An outage is the state of a host whose requests fail. From fewFailures on the host is
// shut: one request at a time tries, with growing waits, and the others wait. A sign of
// life ends that. Without one for patience, or in as many rounds as a request has
// retries, all waiting requests fail together, and later ones at once: the patience is
// the host's, not that of each request.
type outage struct {
	answered bool // the host has answered before

	row   int       // failures since the last good answer
	began time.Time // the first of them; zero: there is none
	since time.Time // the start of patience, at the earliest
	last  error     // the last failure

	rounds int       // failures of requests that tried whether the host is back
	cut    time.Time // when the last round began
	shut   bool
	until  time.Time // nothing is sent until then
	probe  *slot     // the request that tries whether the host is back; nil: none
	warned bool
	over   bool // given up

	mute   bool      // bodies did not come: an answer without one is no sign of life
	proven time.Time // when a request failed that cannot have trouble of its own
}

// wait returns how long nothing may be sent; never is until the request that tries has its
// answer.
func (t *outage) wait(now time.Time) time.Duration {
	switch {
	case !t.shut:
		return 0
	case t.probe != nil:
		return never
	}
	return max(t.until.Sub(now), 0)
}

// progress records a sign of life.
func (h *host) progress() { h.alive.Store(time.Now().UnixNano()) }

// silentSince is when the outage's patience begins. If bodies do not come, answers
// without one do not count.
func (h *host) silentSince() time.Time {
	alive := time.Unix(0, h.alive.Load())
	if h.outage.mute {
		alive = time.Unix(0, h.fed.Load())
	}
	if alive.After(h.outage.since) {
		return alive
	}
	return h.outage.since
}

// deadline is when the host is given up.
func (h *host) deadline() time.Time {
	t := &h.outage
	end := h.silentSince().Add(firstPatience)
	if t.answered {
		end = h.silentSince().Add(patience)
	}
	if last := t.began.Add(h.o.MaxElapsed); last.Before(end) {
		return last
	}
	return end
}

// failing records that a request got no answer, or that of a server in trouble with a
// Retry-After.
func (h *host) failing(s *slot, err error, after time.Duration, now time.Time) {
	t := &h.outage
	if h.o.Retries == 0 || isOutage(err) {
		return // nothing is repeated, or the host was given up before
	}
	if t.began.IsZero() {
		t.began, t.since = now, s.sent.Add(-unread)
		if !t.answered {
			t.since = s.sent
		}
	}
	if end := now.Add(after); after > 0 && end.After(t.since) {
		t.since = end // a server that names a time is expected to be back
	}
	t.row++
	t.last = err
	if s == t.probe {
		t.probe = nil
	}
	if !s.sent.Before(t.cut) {
		t.cut = now
		if t.shut {
			t.rounds++
		}
		t.until = now.Add(h.pause(s.sent.Sub(t.began))) // the time of a slow attempt counts as wait
	}
	if t.over || t.shut && t.rounds > h.o.Retries {
		h.giveUp(now)
		return
	}
	if silence := now.Sub(h.silentSince()); silence < firstPatience && (t.row < fewFailures || silence < moment) {
		return
	}
	t.shut = true
	if lasts := now.Sub(t.began); lasts >= longOutage && !t.warned {
		t.warned = true
		h.log.Warn("the server does not answer; trying again", "host", h.address, "for", lasts.Round(time.Second),
			"giving_up_in", t.left(h, now), "error", err)
	}
}

// left returns how much longer the host is waited for.
func (t *outage) left(h *host, now time.Time) time.Duration {
	return max(h.deadline().Sub(now).Round(time.Second), 0)
}

// pause returns the wait in an outage that has lasted for so long: as long again, or three
// times as long if the host has never answered; less a random part, an eighth at most.
func (h *host) pause(lasts time.Duration) time.Duration {
	if !h.outage.answered {
		lasts *= 3
	}
	d := min(max(lasts, waits[0]), waits[len(waits)-1], h.o.MaxWait)
	return d - h.o.random.jitter(d/8+1)
}

// expire gives up a host whose patience is over, and returns how long that takes.
func (h *host) expire(now time.Time) time.Duration {
	t := &h.outage
	switch {
	case !t.shut:
		return never
	case !t.over:
		if d := h.deadline().Sub(now); d > 0 {
			return d
		}
		if len(h.open) > 0 || slices.ContainsFunc(h.classQueues, func(f *classQueue) bool { return f.queue.length() > 0 }) {
			h.log.Warn("the server does not answer; giving up", "host", h.address,
				"for", now.Sub(h.silentSince()).Round(time.Second), "error", t.last)
		}
		h.giveUp(now)
	case t.until.After(now):
		h.fail()
	case t.probe != nil:
		if d := t.probe.sent.Add(firstPatience).Sub(now); d > 0 {
			return d
		}
		h.giveUp(now)
	}
	return never
}

// giveUp fails all requests that wait for the host or for its answer.
func (h *host) giveUp(now time.Time) {
	t := &h.outage
	t.over, t.probe, t.until = true, nil, now.Add(retrial)
	for s := range h.open {
		if s.cancel != nil {
			s.cancel(h.down())
		}
	}
	h.fail()
}

// fail fails all requests that wait to be sent.
func (h *host) fail() {
	for _, f := range h.classQueues {
		h.clear(f, grant{err: h.down()})
	}
}

// down returns the error of a host that was given up.
func (h *host) down() error {
	return &OutageError{Host: h.address, Silence: max(time.Since(h.silentSince()), 0), Last: h.outage.last}
}

// well records a sign of life, which ends an outage.
func (h *host) well(now time.Time) {
	t := &h.outage
	h.progress()
	if t.shut {
		h.log.Info("the server answers again", "host", h.address, "after", now.Sub(t.began).Round(time.Millisecond))
		for _, f := range h.classQueues { // failures have made the window small
			f.window.size, f.window.slow, f.window.saved = min(max(f.window.size, firstWindow), f.window.most), true, 0
		}
	}
	h.outage = outage{answered: true, proven: t.proven}
}

// isOutage reports whether an error is that of a host that was given up.
func isOutage(err error) bool {
	_, ok := errors.AsType[*OutageError](err)
	return ok
}

// statusError is a status as a cause.
func statusError(status int) error {
	return fmt.Errorf("status %d %s", status, http.StatusText(status))
}

// begin allows the host to end an attempt without an answer.
func (h *host) begin(s *slot, cancel context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.cancel = cancel
}

// trouble returns why the requests of a class wait: an outage, or a refusal; nil if they
// do not.
func (h *host) trouble(c class) (status int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.outage.shut {
		return 0, h.outage.last
	}
	if g := &h.classQueue(c).gate; !g.since.IsZero() && g.last != nil {
		o := outcome{resp: g.last.resp, refusal: g.last}
		if o.resp != nil {
			status = o.resp.StatusCode
		}
		return status, o.cause()
	}
	return 0, nil
}

// holds reports whether the host is shut, so that a request needs no wait of its own.
func (h *host) holds() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.outage.shut
}

// hasAnswered reports whether the host has ever answered.
func (h *host) hasAnswered() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.outage.answered
}

// hopeless reports whether an error would be the same the next time.
func (h *host) hopeless(err error) bool {
	return permanent(err) || noName(err) && !h.hasAnswered()
}

// hasAfter reports whether an answer names the time to come back.
func hasAfter(resp *http.Response) bool {
	if resp == nil {
		return false
	}
	_, ok := transport.RetryAfter(resp.Header, time.Now())
	return ok
}

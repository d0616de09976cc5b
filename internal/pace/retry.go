// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

const (
	// MaxBroken is how often a request is repeated at most because its body could
	// not be read, or its host has never answered. A wrong address is found out in
	// some ten seconds.
	MaxBroken = 6
	// MaxDown is how often a request is repeated at most because its host is in
	// trouble: it answers 502, 503, 504, 520 or 500 with a page, or its connection
	// or name is gone. That takes some two minutes; a server restarts in less.
	MaxDown = 21

	// maxLost is how often a request is repeated at once because the server closed
	// its connection. That is no failure: a Quay closes a connection after 1,000
	// requests (doc/quay-api.md section 6).
	maxLost = 10

	// maxBackoff is the longest wait after a refusal without Retry-After.
	// afterJitter is the most that is added to a Retry-After.
	maxBackoff  = 30 * time.Second
	longWait    = time.Minute // longer waits are logged as a warning
	afterJitter = 500 * time.Millisecond
)

// waits are the waits before each repetition, unless the server names one; the last is
// used for all further ones. Trouble that passes in a moment costs little. Six waits are
// some ten seconds, MaxDown some two minutes. A server that is back is noticed after the
// last wait at the latest.
var waits = [...]time.Duration{
	20 * time.Millisecond, 60 * time.Millisecond, 250 * time.Millisecond,
	time.Second, 3 * time.Second, 8 * time.Second,
}

// A job is one request and its attempts. One goroutine drives it.
type job struct {
	o       *Options
	host    *host
	req     *http.Request
	class   class
	kind    kind
	number  int // in the order of arrival; 0 before
	granted chan grant

	attempts                    int
	refused, down, broken, lost int       // counts of attempts, by how they ended
	first                       time.Time // when it first failed or was refused
	last                        error     // the last failure
	status                      int       // of the last failure; 0: there was no answer

	suspected time.Time // when the request got a 500 page that may be due to its token; else zero: see control.go
	cleared   bool      // the host answered well without the token

	began      time.Time // when it was first sent
	controlled bool      // a control was sent since the last failure
	well       time.Time // when the control was answered well; zero: it was not
	own        int       // failures in a row right after a good control
	slow       bool      // the last attempt took long
}

// A grant is what a job waits for: a slot, or the reason why there is none.
type grant struct {
	slot    *slot
	err     error    // the host is given up, or the context has ended
	refusal *refusal // the class has been refused for too long
}

// RoundTrip sends req when the host grants it a slot, and again while repeating makes
// sense. A status is never an error: the last answer is returned. An error is that of
// the last attempt, of the host ([OutageError]), or of the context ([EndedError]).
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	h := t.host(req.URL)
	j := &job{o: &t.o, host: h, req: req, class: classify(req.URL), kind: kindOf(req)}
	for {
		g := h.acquire(req.Context(), j)
		var o outcome
		switch {
		case g.slot != nil:
			h.prepare(g.slot)
			o = t.attempt(g.slot)
			if g.slot.control == nil {
				break
			}
			if err := j.controlledBy(o); err != nil {
				return nil, j.ended(err)
			}
			continue
		case g.refusal != nil:
			closeBody(req)
			return g.refusal.answer(req)
		default:
			closeBody(req)
			return nil, j.ended(g.err)
		}
		wait, again := j.next(o, g.slot.sent)
		if !again {
			return o.resp, j.ended(o.err)
		}
		o.discard()
		if err := transport.Sleep(req.Context(), wait); err != nil {
			return nil, j.ended(err)
		}
	}
}

// ended adds the failure that the request waited for to the context's error.
func (j *job) ended(err error) error {
	if err == nil || j.req.Context().Err() == nil || isOutage(err) {
		return err
	}
	last, status := j.last, j.status
	if last == nil {
		status, last = j.host.trouble(j.class)
	}
	if last == nil {
		return err
	}
	return &EndedError{Err: err, Last: last, Status: status}
}

// next decides whether to repeat the request, and after what wait. A refused request
// waits at the gate, and in an outage of the host for its end.
func (j *job) next(o outcome, sent time.Time) (wait time.Duration, again bool) {
	switch {
	case j.req.Context().Err() != nil, !repeatable(j.req):
		return 0, false
	case o.lost && j.lost < maxLost:
		j.lost++
		return 0, true
	case j.o.Retries == 0:
		return 0, false
	}
	if j.first.IsZero() {
		j.first = time.Now()
	}
	if cause := o.cause(); cause != nil {
		j.last, j.status = cause, 0
		if o.resp != nil {
			j.status = o.resp.StatusCode
		}
	}
	why := ""
	switch {
	case o.refusal != nil:
		j.refused++
		return 0, true // the gate decides when to give up
	case o.err != nil && j.host.hopeless(o.err):
		return 0, false
	case o.unreached && j.host.hasAnswered(), o.err != nil && o.down:
		why = "connection failed"
		j.down++
	case o.err != nil:
		why = "connection failed"
		j.broken++
	case o.suspect:
		j.suspected = sent
		j.down++
		return 0, j.down <= MaxDown
	case o.invalid != nil:
		why = "unreadable body"
		j.broken++
	case o.down:
		why = fmt.Sprintf("status %d", o.resp.StatusCode)
		j.down++
	default:
		return 0, false
	}
	wait = j.delay(o.resp)
	if j.ownTrouble(sent) {
		j.o.Logger.Info("giving up a request: others like it are answered", "why", why, "host", j.host.address,
			"path", j.req.URL.Path, "attempt", j.attempts)
		return 0, false
	}
	if j.broken > MaxBroken || j.down > MaxDown || j.broken+j.down > j.o.Retries || time.Since(j.first)+wait > j.o.MaxElapsed {
		return 0, false
	}
	if j.host.holds() && !hasAfter(o.resp) {
		return 0, true
	}
	level := slog.LevelInfo
	if wait >= longWait {
		level = slog.LevelWarn
	}
	j.o.Logger.Log(j.req.Context(), level, "waiting to try again", "why", why, "host", j.host.address, "attempt", j.attempts, "wait", wait.Round(time.Millisecond))
	return wait, true
}

// delay returns the server's Retry-After and a random part of afterJitter, so that not
// everyone comes back at once; or a growing wait less a random part, an eighth at most.
func (j *job) delay(resp *http.Response) time.Duration {
	if resp != nil {
		if after, ok := transport.RetryAfter(resp.Header, time.Now()); ok {
			return min(after+j.o.random.jitter(afterJitter), j.o.MaxWait)
		}
	}
	d := min(waits[min(j.broken+j.down, len(waits))-1], j.o.MaxWait)
	return d - j.o.random.jitter(d/8+1)
}

// discard closes an answer that is not used.
func (o outcome) discard() {
	if o.resp != nil {
		_, _ = io.CopyN(io.Discard, o.resp.Body, maxKept)
		_ = o.resp.Body.Close()
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

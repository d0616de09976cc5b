// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// Without a Retry-After a gate closes for backoffMin, and for twice as long each time
// that nothing was admitted since: up to backoffMax at first, then up to an eighth of
// the time since the last admission.
const (
	backoffMin  = 250 * time.Millisecond
	backoffMax  = 4 * time.Second
	backoffPart = 8
)

// A gate stops a class of requests that was refused. After the wait it lets one request
// through at a time, until the server admits one.
type gate struct {
	until  time.Time // it is closed until then
	cut    time.Time // when it last closed; what was sent before belongs to the same round
	shut   bool      // nothing sent since was admitted
	rounds int       // how often it closed without an admission in between
	since  time.Time // the first refusal after the last admission; zero: none
	last   *refusal  // the last refusal
	random *random
}

// wait returns how long the gate stays closed while n requests have no answer; never is
// until they have: a round of refusals is judged as a whole.
func (g *gate) wait(now time.Time, n int) time.Duration {
	if d := g.until.Sub(now); d > 0 {
		return d
	}
	if g.shut && n > 0 {
		return never
	}
	return 0
}

// admit records that the server did not refuse a request.
func (g *gate) admit(sent time.Time) {
	g.since = time.Time{}
	if !sent.Before(g.cut) {
		g.shut, g.rounds = false, 0
	}
}

// refuse records a refusal, and returns how long the gate closes for it; 0 if it is
// closed for longer already. No wait is longer than most.
func (g *gate) refuse(now, sent time.Time, r *refusal, most time.Duration) time.Duration {
	g.last = r
	if g.since.IsZero() {
		g.since = now
	}
	pause := r.after
	if !sent.Before(g.cut) {
		limit := min(max(backoffMax, now.Sub(g.since)/backoffPart), maxBackoff)
		pause = max(pause, min(backoffMin<<min(g.rounds, 10), limit))
		g.cut, g.shut = now, true
		g.rounds++
	}
	if pause == 0 {
		return 0
	}
	pause = min(pause+g.random.jitter(backoffMin/4), most)
	if g.hold(now.Add(pause)) {
		return pause
	}
	return 0
}

// hold closes the gate until a time. It reports whether that is later than before.
func (g *gate) hold(until time.Time) bool {
	if !until.After(g.until) {
		return false
	}
	g.until = until
	return true
}

// hopeless reports whether everything has been refused for longer than budget, or will
// have been when the gate opens.
func (g *gate) hopeless(now time.Time, budget time.Duration) bool {
	if g.since.IsZero() {
		return false
	}
	if g.until.After(now) {
		now = g.until
	}
	return now.Sub(g.since) > budget
}

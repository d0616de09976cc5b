// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// Without a Retry-After a gate closes for backoffMin, and for twice as long
// each time that nothing was admitted since: up to backoffMax at first, and to
// a part of how long that has been going on.
const (
	backoffMin  = 250 * time.Millisecond
	backoffMax  = 4 * time.Second
	backoffPart = 8
)

// A gate stops a class of requests that was refused. After that it lets one
// through at a time, until one of them is admitted.
type gate struct {
	until  time.Time // closed before
	cut    time.Time // when it last closed; what was sent before is of the same round
	shut   bool      // nothing that was sent since was admitted
	rounds int       // how often it closed without an admission in between
	since  time.Time // the first refusal after the last admission; zero: none
	last   *refusal  // the last refusal
	random *random
}

// wait returns how long the gate stays closed while n requests have not been
// answered; never is until one of them is. What a round with refusals says is
// known when all of it has been answered.
func (g *gate) wait(now time.Time, n int) time.Duration {
	if d := g.until.Sub(now); d > 0 {
		return d
	}
	if g.shut && n > 0 {
		return never
	}
	return 0
}

// admit takes in that the server did not refuse a request.
func (g *gate) admit(sent time.Time) {
	g.since = time.Time{}
	if !sent.Before(g.cut) {
		g.shut, g.rounds = false, 0
	}
}

// refuse takes in a refusal, and returns for how long that closes the gate; 0
// is no longer than it is closed already. No wait is longer than most.
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

// hold closes the gate until a time, and tells whether it would be open then.
func (g *gate) hold(until time.Time) bool {
	if !until.After(g.until) {
		return false
	}
	g.until = until
	return true
}

// hopeless tells whether the class has been refused all that it asked for
// longer than budget, or will have been when the gate opens.
func (g *gate) hopeless(now time.Time, budget time.Duration) bool {
	if g.since.IsZero() {
		return false
	}
	if g.until.After(now) {
		now = g.until
	}
	return now.Sub(g.since) > budget
}

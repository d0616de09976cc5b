// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A trialRun is a trial on a server that has just refused a request.
type trialRun struct {
	server       allowance // what it admits
	byConnection bool
	rate, part   float64 // what is believed of it
	burst        float64
	sized        bool
	latency      time.Duration
	pause        time.Duration // between the refusal and the trial
}

var trialTimeZero = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// learnedBudget is of a server that refused a request just now.
func learnedBudget(rate, part, burst float64, sized bool, now time.Time) *budget {
	l := newLimit(allowance{50, 100}, false, now)
	l.phase, l.rate, l.part, l.burst, l.sized = learned, rate, part, burst, sized
	l.rest, l.grown = now.Add(longRest), now
	l.drain(now)
	l.evidence = refused(now, rate)
	return &budget{limits: []*limit{l}, most: 8}
}

// run sends what the budget admits until the trial is over.
func (r trialRun) run() *budget {
	type answer struct {
		limit     *limit
		sent, due time.Time
		admitted  bool
	}
	now := trialTimeZero
	b := learnedBudget(r.rate, r.part, r.burst, r.sized, now)
	full := limiter{excess: r.server.burst, last: now}
	servers := map[*limit]*limiter{b.limits[0]: &full}
	now = now.Add(r.pause)
	l := b.limits[0]
	l.refill(now)
	l.level = min(l.level, l.burst/2) // as after every pause
	b.held = now.Add(-holdUp)
	if !b.grow(now, 10_000) {
		panic("no trial")
	}
	if servers[b.limits[1]] = &full; r.byConnection {
		servers[b.limits[1]] = &limiter{}
	}
	var underway []answer
	for b.trial != nil {
		for {
			i, _ := b.pick(now, false, func(int) bool { return true })
			if i < 0 {
				break
			}
			l := b.limits[i]
			l.take(now)
			underway = append(underway, answer{l, now, now.Add(r.latency), servers[l].admit(r.server, now)})
		}
		now = now.Add(millisecond)
		for len(underway) > 0 && !underway[0].due.After(now) && b.trial != nil {
			a := underway[0]
			underway = slices.Delete(underway, 0, 1)
			if a.admitted {
				b.answered(a.limit, a.sent, true)
			} else {
				b.refuse(a.limit, now, a.sent)
			}
		}
	}
	return b
}

// TestOneAllowanceIsNeverTakenForTwo: whatever is believed of a server, as long
// as its rate and its bucket are no larger than that allows.
func TestOneAllowanceIsNeverTakenForTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := trialRun{
			rate:    rapid.Float64Range(5, 300).Draw(t, "rate"),
			part:    rapid.Float64Range(0, goodPart).Draw(t, "part"),
			burst:   float64(rapid.IntRange(1, 200).Draw(t, "burst")),
			sized:   rapid.Bool().Draw(t, "sized"),
			latency: time.Duration(rapid.IntRange(1, 200).Draw(t, "ms")) * millisecond,
			pause:   time.Duration(rapid.IntRange(250, 600).Draw(t, "pause")) * millisecond,
		}
		r.server.rate = r.rate / below * (1 + r.part/2*rapid.Float64Range(-1, 1).Draw(t, "wrong"))
		r.server.burst = float64(rapid.IntRange(0, 400).Draw(t, "server's burst"))
		if r.sized {
			r.server.burst = min(r.server.burst, r.burst)
		}
		if b := r.run(); b.scope == byConnection || len(b.limits) != 1 {
			t.Fatalf("%+v is taken for a server that counts by connection", r.server)
		}
	})
}

// TestTwoAllowancesAreFound, where what is believed of a server is right.
func TestTwoAllowancesAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := trialRun{
			byConnection: true,
			server: allowance{
				rate:  rapid.Float64Range(5, 300).Draw(t, "rate"),
				burst: float64(rapid.IntRange(5, 200).Draw(t, "burst")),
			},
			part:    rapid.Float64Range(0, goodPart).Draw(t, "part"),
			latency: time.Duration(rapid.IntRange(1, 200).Draw(t, "ms")) * millisecond,
			pause:   time.Duration(rapid.IntRange(250, 600).Draw(t, "pause")) * millisecond,
		}
		r.rate = r.server.rate * below
		r.burst = r.server.burst * rapid.Float64Range(0.5, 1.9).Draw(t, "believed")
		if b := r.run(); b.scope != byConnection {
			t.Fatalf("%+v is taken for a server that counts by address", r.server)
		}
	})
}

// TestATrialAtAVagueRateIsDoneAgain, once.
func TestATrialAtAVagueRateIsDoneAgain(t *testing.T) {
	r := trialRun{server: allowance{50, 100}, rate: 49, part: 0.3, burst: 95, latency: 20 * millisecond, pause: 300 * millisecond}
	b := r.run()
	if b.scope != unknown || b.grow(trialTimeZero.Add(time.Minute), 10_000) {
		t.Fatalf("scope %v, %d limits: want another trial when the rate is known better", b.scope, len(b.limits))
	}
	r.part = 0.05
	if b := r.run(); b.scope != byAddress {
		t.Errorf("scope %v at a rate that is known", b.scope)
	}
}

// TestThePauseAfterATrial: the server's bucket runs empty in it, and that says
// nothing of the rate.
func TestThePauseAfterATrial(t *testing.T) {
	server, now := allowance{100, 20}, trialTimeZero
	l := learnedBudget(98, 0.05, 19, true, now).limits[0]
	full := limiter{excess: server.burst, last: now}
	l.rebase(now, now)
	now = now.Add(400 * millisecond)
	l.judge(now)
	l.rate = 120 // it has grown, and is refused
	for full.admit(server, now) {
		l.take(now)
		l.answered(now, true)
		now = now.Add(8 * millisecond)
	}
	l.take(now)
	l.refuse(now, now)
	l.judge(now.Add(backoffMin))
	if l.rate < 90 || l.rate > 120 {
		t.Errorf("%.0f/s is believed of a server of 100/s", l.rate)
	}
}

// TestConnectionsThatShareAreMerged: the rate of each is no measure of what they
// share, and is looked for.
func TestConnectionsThatShareAreMerged(t *testing.T) {
	now := trialTimeZero
	b := learnedBudget(50, 0.01, 95, true, now)
	b.scope = byConnection
	b.limits = append(b.limits, b.limits[0].copy(now))
	second := b.limits[1]
	second.take(now)
	second.answered(now, true)
	second.take(now)
	second.refuse(now.Add(millisecond), now.Add(millisecond))
	b.judge(now.Add(backoffMin))
	first := b.limits[0]
	if len(b.limits) != 1 || b.scope != byAddress {
		t.Fatalf("%d limits, by %v", len(b.limits), b.scope)
	}
	if first.known(goodPart) || first.growth != searchGrowth {
		t.Errorf("rate %.0f, part %v, growth %v: taken to be known", first.rate, first.part, first.growth)
	}
}

// TestATrialThatDoesNotFit: a connection that replaced another is tried with
// more than its burst at no time, and goes on as before.
func TestATrialThatDoesNotFit(t *testing.T) {
	now := trialTimeZero
	b := learnedBudget(50, 0.01, 8, true, now)
	b.hold(now)
	b.renew(0, now)
	if l := b.limits[0]; b.trial != nil || l.frozen || l.rate != 50 {
		t.Errorf("trial %+v, rate %v, frozen %v", b.trial, l.rate, l.frozen)
	}
}

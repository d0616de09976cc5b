// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// TestReplayFindsTheRate: whenever requests come, the server's rate is among those
// that explain what it admitted and refused.
func TestReplayFindsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := allowance{rapid.Float64Range(1, 300).Draw(t, "rate"), float64(rapid.IntRange(0, 200).Draw(t, "burst"))}
		server, now := limiter{}, epoch
		v := sample{mark: now.Add(-1), low: a.burst + 1, high: a.burst + 1}
		most := time.Duration(3 / a.rate * float64(time.Second))
		for range 400 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, "pause"))).Truncate(millisecond)
			if server.admit(a, now) {
				v.admitted = append(v.admitted, now)
				continue
			}
			if v.last = now; len(v.admitted) < 2 {
				continue
			}
			lo, hi := v.replay(a.burst + 1)
			// Both are known but for rounding: of the times, and of the search.
			if lo > a.rate*1.01 || hi < a.rate*0.99 {
				t.Fatalf("%v: taken to be between %.2f and %.2f, after %d", a, lo, hi, len(v.admitted))
			}
			v = sample{mark: now, high: 1}
		}
	})
}

// TestTheModelIsNeverAheadOfTheServer: whatever is published, and whenever
// requests come, a server that keeps to the published limit refuses none.
func TestTheModelIsNeverAheadOfTheServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := allowance{rapid.Float64Range(0.5, 600).Draw(t, "rate"), float64(rapid.IntRange(1, 200).Draw(t, "burst"))}
		now := epoch
		b, server := newBudget(a, true, now), limiter{}
		for range 500 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(100*millisecond)).Draw(t, "pause")))
			if _, wait := b.pick(now, false, func(int) bool { return true }); wait > 0 {
				now = now.Add(b.wait(b.buckets[0], now, false))
			}
			b.take(0, now)
			if !server.admit(a, now) {
				t.Fatalf("refused at %v", now)
			}
			b.answered(now, now, true)
		}
	})
}

// TestALimitIsFoundFromTwoRefusals: after the first the rate is a guess, after
// the second it is right to a quarter.
func TestALimitIsFoundFromTwoRefusals(t *testing.T) {
	for _, a := range []allowance{{12, 3}, {20, 10}, {30, 40}, {5, 20}} {
		now := epoch
		b, server, rounds := newBudget(allowance{50, 100}, false, now), limiter{}, 0
		for rounds < 2 {
			if i, wait := b.pick(now, false, func(int) bool { return true }); i < 0 {
				now = now.Add(min(wait, millisecond))
				continue
			}
			b.take(0, now)
			sent := now
			now = now.Add(millisecond)
			if cut := b.cut; server.admit(a, sent) {
				b.answered(sent, now, true)
			} else if b.refused(0, now, sent); b.cut != cut {
				rounds++
				now = now.Add(backoffMin)
			}
		}
		b.judge(now)
		if b.phase != learned || math.Abs(b.rate-a.rate) > 0.25*a.rate {
			t.Errorf("%+v: taken to be %.1f/s, %v, after %v", a, b.rate, b.phase, now.Sub(epoch))
		}
	}
}

// TestAnOutageTeachesNothing: refusals alone say nothing of the rate.
func TestAnOutageTeachesNothing(t *testing.T) {
	now := epoch
	b := newBudget(allowance{50, 100}, false, now)
	b.phase, b.rate = learned, 49
	b.isFull(now)
	for range 10 {
		now = now.Add(10 * time.Second)
		b.take(0, now)
		b.refused(0, now, now)
		b.judge(now)
	}
	if b.rate != 49 {
		t.Errorf("the rate is taken to be %v", b.rate)
	}
}

// TestConnectionsThatShareAreMerged for good, by one refusal before a second
// allowance is proven, and by two after that.
func TestConnectionsThatShareAreMerged(t *testing.T) {
	for _, proven := range []bool{false, true} {
		now := epoch
		b := newBudget(allowance{50, 100}, true, now)
		b.most, b.held = 8, now.Add(-holdUp)
		if !b.grow(now, 1000, false) || len(b.buckets) != 2 || b.buckets[1].level > b.burst/4 {
			t.Fatalf("%d connections, want a second one with a quarter of the burst", len(b.buckets))
		}
		if proven {
			b.scope = byConnection
			b.take(1, now)
			b.refused(1, now.Add(millisecond), now)
			if len(b.buckets) != 2 {
				t.Error("one refusal merges connections that have shown their own allowances")
			}
			now = now.Add(time.Second)
		}
		b.take(1, now)
		b.refused(1, now.Add(millisecond), now)
		b.held = now.Add(-holdUp)
		if len(b.buckets) != 1 || b.scope != byAddress || b.grow(now.Add(time.Hour), 1000, false) {
			t.Errorf("proven %v: %d connections, by %v", proven, len(b.buckets), b.scope)
		}
	}
}

// TestManyServers runs discoveries against servers with limits of all kinds,
// most of them far from the published one.
func TestManyServers(t *testing.T) {
	const repositories, requests = 1000, 1010
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := settings{
			latency:   time.Duration(5+rng.IntN(145)) * millisecond,
			jitter:    time.Duration(1+rng.IntN(30)) * millisecond,
			limit:     allowance{3 * math.Pow(100, rng.Float64()), float64(rng.IntN(150))},
			byAddress: rng.IntN(2) == 0,
			lifetime:  1000,
		}
		r := simulate(t, s, Options{Connections: 1 + rng.IntN(4)}, discovery{repositories: repositories})
		limit := max((requests-s.limit.burst-1)/s.limit.rate, repositories/100*s.latency.Seconds()) // on one connection
		what := fmt.Sprintf("%.0f/s burst %.0f, by address %v, %v and up to %v: %v, limit %.1f s, %d refused, %d dials",
			s.limit.rate, s.limit.burst, s.byAddress, s.latency, s.jitter, r.wall, limit, r.model.refused, r.model.dials)
		t.Log(what)
		if r.wall.Seconds() > 5+2*limit || r.share() > 0.2 || r.model.dials > 8 || r.missing > 0 {
			t.Error(what)
		}
	}
}

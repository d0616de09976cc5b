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
		if r.wall.Seconds() > 5+4*limit || r.share() > 0.15 || r.model.dials > 8 || r.missing > 0 {
			t.Error(what)
		}
	}
}

// TestTheModelIsNeverAheadOfTheServer: whatever is published, and whenever
// requests come, a server that keeps to it refuses none.
func TestTheModelIsNeverAheadOfTheServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := allowance{rapid.Float64Range(0.5, 600).Draw(t, "rate"), float64(rapid.IntRange(1, 200).Draw(t, "burst"))}
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		l, server := newLimit(a, true, now), limiter{}
		for range 500 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(100*millisecond)).Draw(t, "pause")))
			if wait := l.wait(now, false); wait > 0 {
				now = now.Add(wait)
			}
			l.take(now)
			admitted := server.admit(a, now)
			if !admitted {
				t.Fatalf("refused at %v", now)
			}
			l.answered(now, admitted)
		}
	})
}

// TestALimitIsFoundFromTwoRefusals: after the first the rate is a guess, after
// the second it is right to a quarter.
func TestALimitIsFoundFromTwoRefusals(t *testing.T) {
	for _, a := range []allowance{{12, 3}, {20, 10}, {30, 40}, {5, 20}} {
		start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		now := start
		l, server, rounds := newLimit(allowance{50, 100}, false, now), limiter{}, 0
		for rounds < 2 {
			l.judge(now)
			if wait := l.wait(now, false); wait > 0 {
				now = now.Add(min(wait, millisecond))
				continue
			}
			l.take(now)
			sent := now
			now = now.Add(millisecond)
			if server.admit(a, sent) {
				l.answered(sent, true)
			} else if l.refuse(now, sent) {
				rounds++
				now = now.Add(backoffMin)
			}
		}
		l.judge(now)
		if l.phase != learned || math.Abs(l.rate-a.rate) > 0.25*a.rate {
			t.Errorf("%+v: taken to be %.1f/s, %v, after %v", a, l.rate, l.phase, now.Sub(start))
		}
	}
}

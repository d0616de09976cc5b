// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestAnyServer runs discoveries against servers that nobody chose. What matters
// is that no server is misread for good.
func TestAnyServer(t *testing.T) {
	const servers = 24
	for seed := range uint64(servers) {
		rng := rand.New(rand.NewPCG(seed, 0))
		between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
		s := settings{
			latency:   time.Duration(between(5, 200) * float64(millisecond)),
			byAddress: rng.IntN(2) == 0,
			lifetime:  1000,
		}
		s.limit.rate = math.Round(between(3, 300))
		s.limit.burst = math.Round(s.limit.rate * between(0.05, 4))
		if rng.IntN(2) == 0 {
			s.jitter = time.Duration(rng.Float64() * float64(s.latency))
		}
		counts := "connection"
		if s.byAddress {
			counts = "address"
		}
		d := discovery{repositories: int(s.limit.rate * between(15, 60))}
		t.Run(fmt.Sprintf("%d by %s", seed, counts), func(t *testing.T) {
			t.Parallel()
			r := simulate(t, s, Options{}, d)
			// Of a server that is not as published, one connection is used.
			limit := (float64(d.repositories)*1.01 - (s.limit.burst + 1)) / s.limit.rate
			ratio := r.wall.Seconds() / limit
			t.Logf("%v/s burst %v, %v and up to %v: limit %.1f s, ratio %.3f; %d of %d refused, %.2f %%; %d dials",
				s.limit.rate, s.limit.burst, s.latency.Round(millisecond), s.jitter.Round(millisecond),
				limit, ratio, r.model.refused, r.requests, 100*r.share(), r.model.dials)
			if ratio > 2.5 || r.missing > 0 {
				t.Errorf("want at most 2.5 of the limit, and nothing missing: %d are", r.missing)
			}
			if few := 60 + r.requests/10; r.model.refused > few {
				t.Errorf("want at most %d refused", few)
			}
			if c := r.stats[0].Classes[0]; c.Counts == "connection" && s.byAddress {
				t.Error("a second allowance is believed in")
			}
		})
	}
}

// TestAnyConnection runs discoveries with several connections, because the user
// asks for them, against servers that count by connection and by address.
func TestAnyConnection(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := settings{latency: time.Duration(5+rng.IntN(100)) * millisecond, lifetime: 1000, byAddress: seed%2 == 0}
		s.limit = allowance{math.Round(10 + 90*rng.Float64()), math.Round(20 + 80*rng.Float64())}
		d := discovery{repositories: int(s.limit.rate * 40)}
		t.Run(fmt.Sprintf("%d, by address %v", seed, s.byAddress), func(t *testing.T) {
			t.Parallel()
			r := simulate(t, s, Options{Connections: 4}, d)
			limit := (float64(d.repositories)*1.01 - (s.limit.burst + 1)) / s.limit.rate
			ratio := r.wall.Seconds() / limit
			c := r.stats[0].Classes[0]
			t.Logf("%v/s burst %v, %v: ratio to one connection %.3f; %.2f %% refused; by %q", s.limit.rate, s.limit.burst, s.latency, ratio, 100*r.share(), c.Counts)
			switch {
			case r.missing > 0 || r.share() > 0.15:
				t.Errorf("%d missing, %.1f %% refused", r.missing, 100*r.share())
			case s.byAddress && (c.Counts != "address" || ratio > 1.5):
				t.Errorf("counts by %q, ratio %.2f; want by address and 1.5 at most", c.Counts, ratio)
			case !s.byAddress && ratio > 1.5:
				t.Errorf("ratio %.2f, want no worse than one connection", ratio)
			}
		})
	}
}

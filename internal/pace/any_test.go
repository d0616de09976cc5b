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

// TestAnyServer runs discoveries against servers that nobody chose. The bounds
// are wide: what matters is that no server is misread for good.
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
		counts, allowances, most := "connection", 8., 8*1.7 // as slow as one connection
		if s.byAddress {
			counts, allowances, most = "address", 1, 2.5
		}
		d := discovery{repositories: int(allowances * s.limit.rate * between(15, 60))}
		t.Run(fmt.Sprintf("%d by %s", seed, counts), func(t *testing.T) {
			r := simulate(t, s, Options{}, d)
			limit := (float64(d.repositories)*1.01 - allowances*(s.limit.burst+1)) / (allowances * s.limit.rate)
			ratio := r.wall.Seconds() / limit
			t.Logf("%v/s burst %v, %v and up to %v: limit %.1f s, ratio %.3f; %d of %d refused, %.2f %%; %d dials",
				s.limit.rate, s.limit.burst, s.latency.Round(millisecond), s.jitter.Round(millisecond),
				limit, ratio, r.model.refused, r.requests, 100*r.share(), r.model.dials)
			if ratio > most || r.missing > 0 {
				t.Errorf("want at most %.1f of the limit, and nothing missing: %d are", most, r.missing)
			}
			if few := 100 + r.requests/8; r.model.refused > few {
				t.Errorf("want at most %d refused", few)
			}
			for _, c := range r.stats[0].Classes {
				if c.Counts == "connection" && s.byAddress {
					t.Error("a second allowance is believed in")
				}
			}
		})
	}
}

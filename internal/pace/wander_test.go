// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"testing"
	"time"
)

// slowClient is a client whose machine is busy: it looks at one answer at a
// time, and is kept from running for some time now and then.
func slowClient(work, away time.Duration) func(*model, time.Duration) time.Duration {
	var free, next time.Duration
	return func(m *model, now time.Duration) time.Duration {
		if now >= next { // off the processor
			free = max(free, now+time.Duration(m.rng.ExpFloat64()*float64(away)))
			next = now + away
		}
		free = max(free, now) + work
		return free - now
	}
}

// wandering is a latency that goes up and down at random, by up to a factor of
// three, every so often.
func wandering(least, every time.Duration) func(*model, time.Duration) time.Duration {
	var until, now time.Duration
	return func(m *model, since time.Duration) time.Duration {
		if since >= until {
			until = since + every
			now = time.Duration(2 * m.rng.Float64() * float64(least))
		}
		return now
	}
}

// TestLatencyThatIsNotTheServers: what a busy client or a restless network adds
// to the latency is no queue in the server. It may cost a part of the speed, and
// never nearly all of it.
func TestLatencyThatIsNotTheServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		server settings
		d      discovery
		rate   float64 // requests a second, at least
	}{
		{"busy client", settings{latency: 30 * millisecond, wander: slowClient(10*millisecond, 60*millisecond)}, discovery{repositories: 1000}, 35},
		{"very busy client", settings{latency: 30 * millisecond, wander: slowClient(20*millisecond, 150*millisecond)}, discovery{repositories: 1000}, 15},
		{"busy client, HTTP/1.1", settings{latency: 30 * millisecond, http1: true, wander: slowClient(10*millisecond, 60*millisecond)}, discovery{repositories: 1000}, 35},
		{"wandering, each request", settings{latency: 30 * millisecond, wander: wandering(30*millisecond, 0)}, discovery{repositories: 5000}, 300},
		{"wandering, each 100 ms", settings{latency: 30 * millisecond, wander: wandering(30*millisecond, 100*millisecond)}, discovery{repositories: 5000}, 300},
		{"wandering, each second", settings{latency: 30 * millisecond, wander: wandering(30*millisecond, time.Second)}, discovery{repositories: 5000}, 300},
		{"wandering, each 10 s", settings{latency: 30 * millisecond, wander: wandering(30*millisecond, 10*time.Second)}, discovery{repositories: 20000}, 300},
		{"wandering, HTTP/1.1", settings{latency: 30 * millisecond, http1: true, wander: wandering(30*millisecond, time.Second)}, discovery{repositories: 5000}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simulate(t, c.server, Options{}, c.d)
			rate := float64(r.requests) / r.wall.Seconds()
			t.Logf("%.1f requests a second, at most %d in flight, window %d", rate, r.peak, r.stats[0].Classes[0].Window)
			if rate < c.rate || r.missing > 0 {
				t.Errorf("%.1f requests a second, want %v; %d missing", rate, c.rate, r.missing)
			}
		})
	}
}

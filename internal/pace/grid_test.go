// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var logGrid = flag.Bool("grid", false, "TestGrid logs every server of the grid")

// A gridServer is a server of the grid: what it admits, and how.
type gridServer struct {
	settings
	requests int
	limit    time.Duration // the least time in which the server admits all requests
}

func (s gridServer) String() string {
	counts := "HTTP/2 by address"
	if s.http1 {
		counts = "HTTP/1.1"
	}
	return fmt.Sprintf("%s, %v/s burst %v, %v", counts, s.settings.limit.rate, s.settings.limit.burst, s.latency)
}

// grid returns servers of all rates and bursts, most of them far from the
// published ones, each with 20 s of work.
func grid(http1 bool) []gridServer {
	var all []gridServer
	for _, rate := range []float64{1, 3, 5, 10, 20, 40, 100, 200} {
		for _, burst := range []float64{0, 5, 10, 20, 25, 50, 100, 200} {
			for _, latency := range []time.Duration{10 * millisecond, 60 * millisecond} {
				all = append(all, gridServer{
					settings: settings{latency: latency, http1: http1, byAddress: true, limit: allowance{rate, burst}, lifetime: 1000},
					requests: int(burst + 1 + 20*rate),
					limit:    20*time.Second + 300*millisecond,
				})
			}
		}
	}
	return all
}

// TestGrid holds the time that requests take against the least time in which the
// server can admit them, and counts the refusals.
func TestGrid(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		name := "HTTP2 by address"
		if http1 {
			name = "HTTP1"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ratios, refused []float64
			for _, s := range grid(http1) {
				var took time.Duration
				var share float64
				synctest.Test(t, func(t *testing.T) {
					m := newModel(s.settings)
					rt := m.client(Options{Retries: 10})
					took = sendAll(t, rt, s.requests)
					share = float64(m.refused) / float64(m.requests)
					rt.CloseIdleConnections()
				})
				ratio := took.Seconds() / s.limit.Seconds()
				ratios = append(ratios, ratio)
				if s.requests >= 200 {
					refused = append(refused, share)
				}
				if *logGrid || ratio > 1.8 || s.requests >= 200 && share > 0.15 {
					t.Logf("%v: ratio %.2f, refused %.1f %%", s, ratio, 100*share)
				}
			}
			slices.Sort(ratios)
			slices.Sort(refused)
			median, nine, most := part(ratios, 0.5), part(ratios, 0.9), part(ratios, 1)
			t.Logf("%d servers: ratio median %.3f, nine in ten %.2f, most %.2f", len(ratios), median, nine, most)
			if median > 1.05 || nine > 1.4 || most > 2 {
				t.Error("want a ratio of 1.05 in the median, 1.4 for nine in ten, 2.0 at most")
			}
			median, nine = part(refused, 0.5), part(refused, 0.9)
			t.Logf("%d servers: refused median %.1f %%, nine in ten %.1f %%", len(refused), 100*median, 100*nine)
			if median > 0.04 || nine > 0.15 {
				t.Error("want 4 % refused in the median, 15 % for nine in ten")
			}
		})
	}
}

// part returns the value that a part of the sorted values do not exceed.
func part(sorted []float64, p float64) float64 {
	return sorted[int(p*float64(len(sorted)-1))]
}

// sendAll sends n requests, as many at once as a discovery does, and returns
// how long they take.
func sendAll(t *testing.T, rt *Transport, n int) time.Duration {
	const jobs = 256
	begin, left := time.Now(), make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	var group sync.WaitGroup
	for range min(jobs, n) {
		group.Go(func() {
			for range left {
				must(t, rt, check)
			}
		})
	}
	group.Wait()
	return time.Since(begin)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"net/http"
	"testing"
	"time"
)

const millisecond = time.Millisecond

// TestScenarios runs discoveries against simulated servers. The limit is what
// the server's rule lets a client with those connections have, computed: the
// burst and one of each connection at once, then the rate.
func TestScenarios(t *testing.T) {
	h2, h1, low := allowance{50, 100}, allowance{5, 25}, allowance{12, 3} // h2 and h1: doc/quay-api.md section 6
	quay := settings{latency: 20 * millisecond, limit: h2, lifetime: 1000}
	with := func(s settings, change func(*settings)) settings {
		change(&s)
		return s
	}
	after := func(at time.Duration, change func(*model)) func(*model, *http.Request, time.Duration) (int, http.Header) {
		return func(m *model, _ *http.Request, since time.Duration) (int, http.Header) {
			if since >= at {
				change(m)
			}
			return 0, nil
		}
	}
	outage := func(from, to time.Duration) func(*model, *http.Request, time.Duration) (int, http.Header) {
		return func(_ *model, _ *http.Request, since time.Duration) (int, http.Header) {
			if since >= from && since < to {
				return http.StatusTooManyRequests, nil
			}
			return 0, nil
		}
	}
	fleet, release := discovery{repositories: 1876}, discovery{repositories: 600}
	for _, s := range []struct {
		name      string
		server    settings
		options   Options
		discovery discovery
		limit     float64 // seconds
		ratio     float64 // of the limit, at most
		refused   float64 // of the requests, at most
		dials     int     // at most
	}{
		{"one connection", quay, Options{Connections: 1}, fleet, (1895 - 2*101) / 50., 1.05, 0.01, 4},
		{"eight connections", quay, Options{}, fleet, (1895 - 8*101) / 400., 1.45, 0.01, 8},
		{"four connections", quay, Options{Connections: 4}, fleet, (1895 - 4*101) / 200., 1.20, 0.01, 8},
		{"four connections, 100 ms", with(quay, func(s *settings) { s.latency = 100 * millisecond }), Options{Connections: 4},
			fleet, (1895 - 4*101) / 200., 1.30, 0.01, 8},
		{"eight connections, 100 ms", with(quay, func(s *settings) { s.latency = 100 * millisecond }), Options{},
			fleet, (1895 - 8*101) / 400., 1.70, 0.01, 8},
		{"eight connections, 150 ms, jitter", with(quay, func(s *settings) { s.latency, s.jitter = 150*millisecond, 3*millisecond }), Options{},
			fleet, (1895 - 8*101) / 400., 2.00, 0.01, 8},
		{"four connections, 200 requests each", with(quay, func(s *settings) { s.lifetime = 200 }), Options{Connections: 4},
			fleet, (1895 - 9*101) / 200., 1.20, 0.01, 12},
		{"by address", with(quay, func(s *settings) { s.byAddress = true }), Options{},
			fleet, (1895 - 101) / 50., 1.10, 0.03, 8},
		{"HTTP/1.1", with(quay, func(s *settings) { s.http1, s.limit = true, h1 }), Options{},
			discovery{repositories: 300}, (303 - 26) / 5., 1.05, 0.01, 307},
		{"unknown low limit by address", with(quay, func(s *settings) { s.limit, s.byAddress = low, true }), Options{},
			release, (606 - 4) / 12., 1.15, 0.03, 8},
		{"unknown low limit, one connection", with(quay, func(s *settings) { s.limit = low }), Options{Connections: 1},
			release, (606 - 4) / 12., 1.15, 0.03, 8},
		{"unknown low limit by connection", with(quay, func(s *settings) { s.limit = low }), Options{},
			release, (606 - 4) / 12., 1.15, 0.03, 8}, // one connection: what Quay publishes does not hold
		{"60 requests/s at best", with(quay, func(s *settings) { s.limit, s.workers, s.work = allowance{}, 1, time.Second/60 }), Options{},
			release, 10, 1.15, 0, 8},
		{"60 requests/s, four workers", with(quay, func(s *settings) { s.limit, s.workers, s.work = allowance{}, 4, time.Second/15 }), Options{},
			release, 10, 1.15, 0, 8},
		{"60 requests/s, uneven", with(quay, func(s *settings) { s.limit, s.workers, s.work, s.noise = allowance{}, 4, time.Second/15, 0.5 }), Options{},
			release, 10, 1.15, 0, 8},
		{"limit halves", with(quay, func(s *settings) {
			s.byAddress, s.answer = true, after(10*time.Second, func(m *model) { m.limit = allowance{25, 50} })
		}), Options{}, discovery{repositories: 1000}, 10 + (1010-101-10*50)/25., 1.15, 0.05, 8},
		{"limit doubles", with(quay, func(s *settings) {
			s.byAddress, s.answer = true, after(10*time.Second, func(m *model) { m.limit = allowance{100, 200} })
		}), Options{}, discovery{repositories: 8000}, 10 + (8080-101-10*50)/100., 1.50, 0.02, 20},
		{"30 s of 429", with(quay, func(s *settings) { s.limit, s.answer = allowance{}, outage(0, 30*time.Second) }), Options{},
			release, 45, 1, 1, 8},
		{"30 s of 429 in mid-run", with(quay, func(s *settings) { s.answer = outage(2*time.Second, 32*time.Second) }), Options{Connections: 1},
			release, 45, 1, 1, 8},

		{"jitter", with(quay, func(s *settings) { s.jitter = 40 * millisecond }), Options{Connections: 1},
			fleet, (1895 - 2*101) / 50., 1.08, 0.01, 4},
		{"jitter, by address", with(quay, func(s *settings) { s.jitter, s.byAddress = 40*millisecond, true }), Options{},
			fleet, (1895 - 101) / 50., 1.10, 0.03, 8},
		{"jitter, HTTP/1.1", with(quay, func(s *settings) { s.http1, s.limit, s.jitter = true, h1, 40*millisecond }), Options{},
			discovery{repositories: 300}, (303 - 26) / 5., 1.05, 0.03, 312},
		{"40/s behind the published burst, HTTP/1.1", with(quay, func(s *settings) { s.http1, s.limit = true, allowance{40, 20} }), Options{},
			discovery{repositories: 600}, (606 - 21) / 40., 1.40, 0.04, 640},
		{"20/s behind the published burst, HTTP/1.1", with(quay, func(s *settings) { s.http1, s.limit = true, allowance{20, 25} }), Options{},
			discovery{repositories: 600}, (606 - 26) / 20., 1.40, 0.05, 640},
		{"200/s behind the published burst", with(quay, func(s *settings) { s.limit, s.byAddress = allowance{200, 100}, true }), Options{},
			discovery{repositories: 3000}, (3030 - 101) / 200., 1.70, 0.06, 16},
		{"no burst at all", with(quay, func(s *settings) { s.limit, s.byAddress = allowance{30, 0}, true }), Options{},
			release, 606 / 30., 1.35, 0.03, 8},
		{"high rate, low burst", with(quay, func(s *settings) { s.limit, s.byAddress = allowance{100, 20}, true }), Options{},
			discovery{repositories: 1000}, (1010 - 21) / 100., 1.35, 0.04, 8},
		{"high rate, low burst, far", with(quay, func(s *settings) { s.limit, s.latency = allowance{271, 14}, 102*millisecond }), Options{Connections: 1},
			discovery{repositories: 6000}, (6060 - 6*15) / 271., 1.60, 0.02, 8},
		{"high limit", with(quay, func(s *settings) { s.limit, s.byAddress = allowance{200, 400}, true }), Options{},
			discovery{repositories: 5000}, (5050 - 401) / 200., 1.20, 0.06, 16},
		{"quay.io by connection", with(quay, func(s *settings) { s.latency = 100 * millisecond }), Options{},
			discovery{host: "quay.io", repositories: 1876}, (1895 - 8*101) / 400., 1.70, 0, 8},
		{"quay.io by address", with(quay, func(s *settings) { s.latency, s.byAddress = 100*millisecond, true }), Options{},
			discovery{host: "quay.io", repositories: 1876}, (1895 - 101) / 50., 1.10, 0.02, 8},
	} {
		t.Run(s.name, func(t *testing.T) {
			r := simulate(t, s.server, s.options, s.discovery)
			ratio := r.wall.Seconds() / s.limit
			t.Logf("%.2f s, limit %.2f s, ratio %.3f; %d of %d refused, %.2f %%; %d dials; median latency %v, at most %d in flight",
				r.wall.Seconds(), s.limit, ratio, r.model.refused, r.requests, 100*r.share(), r.model.dials, r.median().Round(millisecond), r.peak)
			if ratio > s.ratio || r.share() > s.refused || r.model.dials > s.dials || r.missing > 0 {
				t.Errorf("want at most %.2f of the limit, %.1f %% refused, %d dials, and nothing missing; got %+v", s.ratio, 100*s.refused, s.dials, r.stats)
			}
			if idle := s.server.latency + s.server.work; s.server.workers > 0 && r.median() > 3*idle {
				t.Errorf("median latency %v, idle %v: a queue in the server", r.median(), idle)
			}
			if r.connPeak > connWindow {
				t.Errorf("%d requests in flight on a connection", r.connPeak)
			}
		})
	}
}

// TestScenariosWithoutALimit holds the discovery of a server that has no limit
// against the best fixed concurrency.
func TestScenariosWithoutALimit(t *testing.T) {
	d := discovery{repositories: 5000}
	for _, s := range []struct {
		name   string
		server settings
		jobs   int
		ratio  float64
	}{
		{"20 ms", settings{latency: 20 * millisecond, lifetime: 1000}, 128, 1.10},
		{"20 ms, 256 jobs", settings{latency: 20 * millisecond, lifetime: 1000}, 256, 1.20},
		{"4,000 requests/s at best", settings{latency: 20 * millisecond, lifetime: 1000, workers: 1, work: time.Second / 4000}, 128, 1.20},
		{"4,000 requests/s, 256 jobs", settings{latency: 20 * millisecond, lifetime: 1000, workers: 1, work: time.Second / 4000}, 256, 1.20},
	} {
		t.Run(s.name, func(t *testing.T) {
			least := best(t, s.server, d)
			d.jobs = s.jobs
			r := simulate(t, s.server, Options{}, d)
			ratio := r.wall.Seconds() / least.Seconds()
			t.Logf("%v, best fixed %v, ratio %.3f; %d refused, %d dials, at most %d in flight", r.wall, least, ratio, r.model.refused, r.model.dials, r.peak)
			if ratio > s.ratio || r.model.refused > 0 || r.model.dials > 8 || r.missing > 0 {
				t.Errorf("want at most %.2f of the best, nothing refused or missing, 8 dials", s.ratio)
			}
		})
	}
}

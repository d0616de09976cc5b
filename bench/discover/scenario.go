// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"
)

// A scenario is a server and the clients that discover it.
type scenario struct {
	name         string
	repositories int
	latency      time.Duration
	http1        bool
	byAddress    bool
	rate, burst  int  // of the front end; 0: no limit
	halve        bool // the rate halves in mid-run
	capacity     int  // requests a second that the server can serve; it queues the others
	outage       time.Duration
	clients      []client
	goals        goals
}

// goals are the project's goals for its own client; zero is no goal.
type goals struct {
	wallToLimit   float64
	wall          time.Duration
	refused       float64 // share of requests answered 429
	noRefusal     bool
	connections   int
	median        time.Duration // of an answer
	fasterThanAll bool          // than every peer beside it
}

const (
	publishedRate, publishedBurst   = 50, 100 // HTTP/2, a connection
	publishedRate1, publishedBurst1 = 5, 25   // HTTP/1.1, an address
	organization                    = 1876
)

func scenarios() []scenario {
	ours := client{name: "quayside", run: quayside()}
	one := client{name: "quayside, one connection", connections: 1, run: quayside("--connections", "1")}
	four := client{name: "quayside, four connections", connections: 4, beside: true, run: quayside("--connections", "4")}
	peer4, peer16 := peer(4), peer(16)
	naive := client{name: "naive loop, 32 at once", run: loop(32), peer: true}
	h2 := scenario{repositories: organization, latency: 20 * time.Millisecond, rate: publishedRate, burst: publishedBurst}
	with := func(s scenario, change func(*scenario)) scenario { change(&s); return s }
	return []scenario{
		{ // first, to show whether the machine limits the other scenarios
			name: "what this machine can do", repositories: 5000,
			clients: []client{fixed(32), fixed(128)},
		},
		with(h2, func(s *scenario) {
			s.name = "h2 by connection, one connection"
			s.clients = []client{one}
			s.goals = goals{wallToLimit: 1.05, refused: 0.01, connections: 4}
		}),
		with(h2, func(s *scenario) {
			s.name = "h2 by connection"
			s.clients = []client{ours, four, peer4, peer16, naive}
			s.goals = goals{refused: 0.01, connections: 8, fasterThanAll: true}
		}),
		with(h2, func(s *scenario) {
			s.name = "h2 by connection, 100 ms"
			s.latency = 100 * time.Millisecond
			s.clients = []client{ours, peer4, peer16}
			s.goals = goals{refused: 0.01, connections: 8, fasterThanAll: true}
		}),
		with(h2, func(s *scenario) {
			s.name = "h2 by address"
			s.byAddress = true
			s.clients = []client{ours, peer4, naive}
			s.goals = goals{wallToLimit: 1.10, refused: 0.03, connections: 8}
		}),
		{
			name: "h1", repositories: 300, latency: 20 * time.Millisecond, http1: true, byAddress: true,
			rate: publishedRate1, burst: publishedBurst1,
			clients: []client{ours, peer4},
			goals:   goals{wallToLimit: 1.05, refused: 0.01},
		},
		{
			name: "unknown limit 12/s burst 3", repositories: 600, latency: 20 * time.Millisecond, byAddress: true,
			rate: 12, burst: 3,
			clients: []client{ours, peer4},
			goals:   goals{wallToLimit: 1.15, refused: 0.03, connections: 8},
		},
		{
			name: "no limit", repositories: 5000, latency: 20 * time.Millisecond,
			clients: []client{ours, fixed(16), fixed(32), fixed(64), fixed(128), peer16},
			goals:   goals{wallToLimit: 1.10, noRefusal: true, connections: 8},
		},
		{
			name: "capacity 60/s", repositories: 600, capacity: 60,
			clients: []client{ours, peer16},
			goals:   goals{wallToLimit: 1.15, noRefusal: true, connections: 8, median: 3 * time.Second / 60},
		},
		with(h2, func(s *scenario) {
			s.name = "limit halves in mid-run"
			s.byAddress, s.halve = true, true
			s.clients = []client{ours}
			s.goals = goals{wallToLimit: 1.15, refused: 0.03, connections: 8}
		}),
		{
			name: "30 s of 429, then well", repositories: 600, latency: 20 * time.Millisecond,
			outage:  30 * time.Second,
			clients: []client{ours, peer4},
			goals:   goals{wall: 45 * time.Second},
		},
	}
}

// judge reports whether a row met the goals, and which goals it missed. Only our own client
// has goals.
func (g goals) judge(r result, limit time.Duration, rows []result) string {
	if r.peer || r.ceiling || r.beside {
		return ""
	}
	var missed []string
	miss := func(failed bool, what string) {
		if failed {
			missed = append(missed, what)
		}
	}
	share := float64(r.refused) / float64(max(r.requests, 1))
	miss(r.err != nil, "gave up")
	miss(g.wallToLimit > 0 && r.wall.Seconds() > g.wallToLimit*limit.Seconds(), fmt.Sprintf("wall over %.2f of the limit", g.wallToLimit))
	miss(g.wall > 0 && r.wall > g.wall, fmt.Sprintf("wall over %v", g.wall))
	miss(g.refused > 0 && share > g.refused, fmt.Sprintf("over %.0f %% refused", 100*g.refused))
	miss(g.noRefusal && r.refused > 0, "refused")
	miss(g.connections > 0 && r.dials > g.connections, fmt.Sprintf("over %d connections", g.connections))
	miss(g.median > 0 && r.median > g.median, fmt.Sprintf("median answer over %v", g.median))
	for _, other := range rows {
		miss(g.fasterThanAll && other.peer && other.err == nil && other.wall < r.wall, "slower than "+other.name)
	}
	if len(missed) == 0 {
		return "met"
	}
	return "missed: " + strings.Join(missed, ", ")
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"cmp"
	"slices"
	"time"
)

// HostStats is what was sent to one server, and what was learned of it.
type HostStats struct {
	Host        string // host, or host:port
	Proto       string // such as HTTP/2.0; "" before the first answer
	Connections int    // single connections there are now; 0 when the base keeps its own
	Dials       int    // connections made, or tried
	Requests    int64  // attempts
	Refused     int64  // of Requests: answered 429 or ENHANCE_YOUR_CALM
	Retries     int64  // of Requests: repeated an earlier one
	Classes     []ClassStats

	Outage  time.Duration // how long the host has given no sign of life; 0: it answers
	Left    time.Duration // how much longer the host is waited for; 0: it was given up
	Trouble string        // the last failure of an Outage
}

// ClassStats is the same for the paths of a server that share an allowance
// (doc/quay-api.md section 6).
type ClassStats struct {
	Class    string  // "api", "auth", "manifests", "tags", "blobs", "registry" or "other"
	Known    string  // of the limit: "published", "learned", "chosen" by Options.Rate, or "none"; "" before the first answer
	Rate     float64 // requests a second that the server is taken to admit, over all connections; 0 without a limit
	Counts   string  // the server counts by "connection" or "address"; "" when that is not known
	Window   int     // requests that may be in flight
	Requests int64
	Refused  int64

	Waiting int           // requests that wait to be sent
	Held    bool          // they wait because the limit is used up
	Pause   time.Duration // they wait for so long because the server refused one; 0: they do not
}

// Stats returns a snapshot, in the order of the hosts' names.
func (t *Transport) Stats() []HostStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []HostStats
	for _, h := range t.hosts {
		all = append(all, h.stats())
	}
	slices.SortFunc(all, func(a, b HostStats) int { return cmp.Compare(a.Host, b.Host) })
	return all
}

func (h *host) stats() HostStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := HostStats{Host: h.address, Proto: h.proto, Dials: h.dials, Retries: h.retries}
	if t := &h.outage; t.shut {
		now := time.Now()
		s.Outage, s.Trouble = max(now.Sub(h.silentSince()), 1), t.last.Error()
		if !t.over {
			s.Left = t.left(h, now)
		}
	}
	for _, n := range h.connSlots {
		if h.dial != nil && n.conn != nil && n.conn.worked && !n.conn.gone() {
			s.Connections++
		}
	}
	for _, f := range h.classQueues {
		c := ClassStats{Class: f.class.String(), Window: int(f.window.size), Requests: f.sent, Refused: f.refused, Waiting: f.queue.length()}
		if c.Waiting > 0 {
			c.Held = f.budget != nil && !f.budget.held.IsZero()
			c.Pause = max(time.Until(f.gate.until), 0)
		}
		if f.budget != nil {
			c.Known, c.Counts = f.budget.phase.String(), f.budget.scope.String()
			if h.shared != nil {
				c.Known = "chosen"
			}
			if f.budget.phase != unlimited {
				c.Rate = f.budget.total()
			}
		}
		s.Requests += f.sent
		s.Refused += f.refused
		s.Classes = append(s.Classes, c)
	}
	slices.SortFunc(s.Classes, func(a, b ClassStats) int { return cmp.Compare(a.Class, b.Class) })
	return s
}

func (h *host) countDial() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dials++
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/quay"
)

// shortPause is the shortest wait that is worth a message.
const shortPause = time.Second

// LastErrorPrefix begins what is said about a server's latest error.
const LastErrorPrefix = "last error: "

// Delay returns why requests to the server wait, or "".
func (s *Server) Delay() string { return Delay(s.Client.Pace()) }

// Delay returns in words why a server's answers are late, or "".
func Delay(p quay.Pace) string {
	why := delay(p.Throttled, p.Rate, p.Pause)
	if why == "" && p.LastError != "" {
		why = LastErrorPrefix + redact.Escape(p.LastError)
	}
	return why
}

// delay returns why requests wait: for a limit, with its rate in requests a second, or after
// a refusal. It returns "" if requests do not wait, or not for long.
func delay(held bool, rate float64, pause time.Duration) string {
	switch {
	case pause >= shortPause:
		return fmt.Sprintf("waiting %s after a refusal", (pause + time.Second - 1).Truncate(time.Second))
	case held && rate >= 10:
		return fmt.Sprintf("held to about %.0f requests a second", rate)
	case held && rate > 0:
		return fmt.Sprintf("held to about %.2g requests a second", rate)
	}
	return ""
}

// Delay returns which registry makes requests wait, and why, or "".
func (r *Registries) Delay() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var longest pace.ClassStats
	host := ""
	for _, t := range r.session.transports {
		for _, h := range t.pace.Stats() {
			if h.Outage >= shortPause {
				return r.session.Redactor.Text(outage(h))
			}
			for _, class := range h.Classes {
				if cmp.Or(cmp.Compare(class.Pause, longest.Pause), cmp.Compare(heldBack(class), heldBack(longest))) > 0 {
					host, longest = h.Host, class
				}
			}
		}
	}
	if why := delay(longest.Held, longest.Rate, longest.Pause); why != "" {
		return why + " by " + redact.Escape(r.session.Redactor.Text(host))
	}
	return ""
}

// outage describes a host that does not answer: why, and how long quayside still waits.
func outage(h pace.HostStats) string {
	text := fmt.Sprintf("%s does not answer (%s), ", redact.Escape(h.Host), redact.Escape(h.Trouble))
	if h.Left > 0 {
		return text + fmt.Sprintf("waiting up to %s more", h.Left)
	}
	return text + "given up"
}

// heldBack returns how many requests a limit holds back.
func heldBack(c pace.ClassStats) int {
	if c.Held {
		return c.Waiting
	}
	return 0
}

// Advice returns what the user can do about errors of connections, one text a registry.
func (r *Registries) Advice() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.session.transports)) {
		if text := r.session.transports[key].advice.Load(); text != nil {
			all = append(all, *text)
		}
	}
	return all
}

// Traffic returns what was sent to each registry, and to each host it redirects to if a
// request had to be sent there again.
func (r *Registries) Traffic() (all []report.Traffic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.session.transports)) {
		transport := r.session.transports[key]
		for _, h := range transport.pace.Stats() {
			t := trafficOf(transport.host, h)
			if h.Requests > 0 && (t.Host == "" || h.Refused+h.Retries > 0) {
				all = append(all, t)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y report.Traffic) int { return strings.Compare(x.Host, y.Host) }) // registries first
	return all
}

// trafficOf converts the statistics of a host that a registry's requests went to. It has the
// lowest of several limits that were learned.
func trafficOf(registry string, h pace.HostStats) report.Traffic {
	t := report.Traffic{
		Registry: registry, Requests: report.Requests{Total: h.Requests, Refused: h.Refused, Retries: h.Retries},
		Pace: report.Pace{Protocol: h.Proto, Connections: h.Dials},
	}
	if !sameHost(registry, h.Host) {
		t.Host = h.Host
	}
	for _, class := range h.Classes {
		switch {
		case class.Known == "chosen":
			t.Pace.Limit, t.Pace.Rate, t.Class = class.Known, class.Rate, ""
		case class.Known == "learned" && (t.Pace.Limit == "" || class.Rate < t.Pace.Rate):
			t.Pace.Limit, t.Pace.Rate, t.Class = class.Known, class.Rate, class.Class
		}
	}
	return t
}

// sameHost reports whether requests to a registry go to a host.
func sameHost(registry, host string) bool {
	if registry == "docker.io" {
		registry = "registry-1.docker.io" // which serves it
	}
	return registry == host || strings.TrimSuffix(registry, ":443") == host || strings.TrimSuffix(registry, ":80") == host
}

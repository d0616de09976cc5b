// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/report"
)

// traffic tells what was sent to each registry that was asked for anything, and
// to where it redirects if a request had to be sent there again.
func (r *registries) traffic() (all []report.Traffic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.a.carriers)) {
		c := r.a.carriers[key]
		for _, h := range c.pace.Stats() {
			t := trafficOf(c.host, h)
			if h.Requests > 0 && (t.Host == "" || h.Refused+h.Retries > 0) {
				all = append(all, t)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y report.Traffic) int { return strings.Compare(x.Host, y.Host) }) // registries first
	return all
}

// trafficOf puts what was sent to a host on behalf of a registry in the report's
// words. Of several limits that were learned it has the lowest.
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

// sameHost tells whether requests to a registry go to a host.
func sameHost(registry, host string) bool {
	if registry == "docker.io" {
		registry = "registry-1.docker.io" // which serves it
	}
	return registry == host || strings.TrimSuffix(registry, ":443") == host || strings.TrimSuffix(registry, ":80") == host
}

// tellTraffic reports, with --verbose, what looking into images, or a copy of them,
// cost their registries.
func (h *hunt) tellTraffic() {
	if !h.a.talk.wordy {
		return
	}
	for _, t := range h.registries.traffic() {
		h.a.talk.tell(kindRegistry, t.String(), slog.String("registry", t.Registry), slog.String("host", cmp.Or(t.Host, t.Registry)),
			slog.Int64("requests", t.Requests.Total), slog.Int64("refused", t.Requests.Refused), slog.Int64("retries", t.Requests.Retries),
			slog.String("protocol", t.Pace.Protocol), slog.Int("connections", t.Pace.Connections),
			slog.String("limit", t.Pace.Limit), slog.Float64("rate", t.Pace.Rate))
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/report"
)

func TestTrafficOfARegistry(t *testing.T) {
	stats := pace.HostStats{Host: "quay.io", Proto: "HTTP/2.0", Dials: 3, Requests: 9, Refused: 2, Retries: 1, Classes: []pace.ClassStats{
		{Class: "blobs", Known: "learned", Rate: 80}, {Class: "manifests", Known: "learned", Rate: 40},
		{Class: "registry", Known: "published", Rate: 5}, {Class: "tags", Known: "none"},
	}}
	want := report.Traffic{Registry: "quay.io", Requests: report.Requests{Total: 9, Refused: 2, Retries: 1},
		Pace: report.Pace{Protocol: "HTTP/2.0", Connections: 3, Limit: "learned", Rate: 40}, Class: "manifests"}
	if diff := cmp.Diff(want, trafficOf("quay.io", stats)); diff != "" {
		t.Error(diff)
	}
	stats.Host = "cdn.example"
	if got := trafficOf("quay.io", stats); got.Host != "cdn.example" {
		t.Errorf("%+v", got)
	}
	stats.Host = "registry-1.docker.io"
	if got := trafficOf("docker.io", stats); got.Host != "" {
		t.Errorf("%+v", got)
	}
}

func TestAServerThatDoesNotAnswerIsNamed(t *testing.T) {
	h := pace.HostStats{Host: "quay.test:8443", Outage: 40 * time.Second, Left: 80 * time.Second, Trouble: "connection refused\x1b[31m"}
	text := outage(h)
	for _, want := range []string{"quay.test:8443 does not answer", "connection refused", "1m20s"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("%q has a control character in it", text)
	}
	if h.Left = 0; !strings.Contains(outage(h), "given up") {
		t.Errorf("%q", outage(h))
	}
}

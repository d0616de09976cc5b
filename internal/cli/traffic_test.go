// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"

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

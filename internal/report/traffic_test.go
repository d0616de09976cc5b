// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"testing"

	"github.com/quayside/quayside/internal/report"
)

func TestTrafficInWords(t *testing.T) {
	limited := report.Pace{Protocol: "HTTP/2.0", Connections: 4, Limit: "learned", Rate: 1000}
	for want, traffic := range map[string]report.Traffic{
		"registry quay.io: requests: 7, refused with 429: 0; HTTP/1.1, connections: 2": {
			Registry: "quay.io", Requests: report.Requests{Total: 7}, Pace: report.Pace{Protocol: "HTTP/1.1", Connections: 2}},
		"registry quay.io: requests: 9, refused with 429: 2, repeated: 3; HTTP/2.0, connections: 4, learned limit: about 1000 requests a second (blobs)": {
			Registry: "quay.io", Requests: report.Requests{Total: 9, Refused: 2, Retries: 3}, Pace: limited, Class: "blobs"},
		"cdn.example, for registry quay.io: requests: 9, refused with 429: 0, repeated: 3": {
			Registry: "quay.io", Host: "cdn.example", Requests: report.Requests{Total: 9, Retries: 3}},
	} {
		if got := traffic.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
)

// Traffic is what was sent to a registry, or to a server that it redirects to,
// such as object storage.
type Traffic struct {
	Registry string
	Host     string   // of the other server; "" is the registry itself
	Requests Requests // Total, Refused and Retries
	Pace     Pace     // its Limit is "" when none was learned or chosen
	Class    string   // of the paths that the limit is for; "" is all
}

// String describes the traffic in a line for people.
func (t Traffic) String() string {
	var b strings.Builder
	if t.Host == "" {
		fmt.Fprintf(&b, "registry %s: ", t.Registry)
	} else {
		fmt.Fprintf(&b, "%s, for registry %s: ", t.Host, t.Registry)
	}
	fmt.Fprintf(&b, "requests: %d, %s", t.Requests.Total, t.Requests.failures())
	if t.Pace.Protocol != "" {
		fmt.Fprintf(&b, "; %v", t.Pace)
		if t.Class != "" {
			fmt.Fprintf(&b, " (%s)", t.Class)
		}
	}
	return b.String()
}

// failures returns the numbers of refused and of repeated requests, in words.
func (r Requests) failures() string {
	text := fmt.Sprintf("refused with 429: %d", r.Refused)
	if r.Retries > 0 {
		text += fmt.Sprintf(", repeated: %d", r.Retries)
	}
	return text
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits says how many requests a second the server admits, by protocol and
// path. The zero value admits everything, as a Quay does by default
// (doc/quay-api.md section 6). A Limits never changes once made.
type Limits struct {
	text string
	h1   rules
	h2   rules
}

// rules holds one rule for each location; the zero rule does not limit.
type rules [locations]rule

// A rule is one limit_req line: requests above rate are let through at once
// until burst of them are outstanding, and refused beyond.
type rule struct {
	rate  int64 // thousandths of a request a second; 0: no limit
	burst int64 // thousandths of a request
}

// perSecond gives the rule of "rate=Nr/s burst=N nodelay".
func perSecond(rate float64, burst int64) rule {
	return rule{rate: int64(math.Round(rate * 1000)), burst: burst * 1000}
}

// A location is a class of paths that the front end's configuration knows.
type location int

const (
	locOther location = iota // web pages and object storage: never limited
	locAPI
	locV1
	locAuth
	locManifests
	locTags
	locBlobs
	locCatalog
	locV2
	locations
)

// A zone is the shared memory in which requests are counted. Locations that
// name the same zone draw on one bucket, each with a burst of its own.
type zone int

// zoneOf follows the template: the line numbers of doc/quay-api.md section 6
// lead to where each location names its zone.
var zoneOf = [locations]zone{
	locAPI: 1, locV1: 1, locCatalog: 1, // dynamicauth_heavy
	locAuth:      2,              // namespace_auth
	locManifests: 3, locBlobs: 3, // namespaced, light
	locTags: 4, // namespaced, heavy
	locV2:   5, // very light
}

// QuayLimits gives the limits of Quay's own template with FEATURE_RATE_LIMITS
// on, as a load balancer with the PROXY protocol before it makes them work:
// the table of doc/quay-api.md section 6.
func QuayLimits() Limits {
	return Limits{
		text: "quay.io",
		h1: rules{
			locAPI: perSecond(5, 25), locV1: perSecond(5, 5), locCatalog: perSecond(5, 1),
			locAuth:      perSecond(120, 2),
			locManifests: perSecond(50, 10), locBlobs: perSecond(50, 50),
			locTags: perSecond(5, 2), locV2: perSecond(60, 20),
		},
		h2: rules{
			locAPI: perSecond(50, 100), locV1: perSecond(50, 25), locCatalog: perSecond(50, 5),
			locAuth:      perSecond(120, 2),
			locManifests: perSecond(500, 50), locBlobs: perSecond(500, 100),
			locTags: perSecond(50, 2), locV2: perSecond(600, 80),
		},
	}
}

// ParseLimits reads "none", "quay.io" for [QuayLimits], or requests a second
// and burst by protocol, such as "h2=50/100,h1=5/25". The last form limits
// /api/ alone; a protocol it leaves out is not limited.
func ParseLimits(s string) (Limits, error) {
	l, err := parseLimits(s)
	if err != nil {
		return Limits{}, fmt.Errorf("quaytest: limits %q: %w", s, err)
	}
	return l, nil
}

// parseLimits is ParseLimits without the package and the text in its errors,
// for callers that name both themselves.
func parseLimits(s string) (Limits, error) {
	switch s {
	case "", "none":
		return Limits{}, nil
	case "quay.io":
		return QuayLimits(), nil
	}
	l := Limits{text: s}
	for item := range strings.SplitSeq(s, ",") {
		protocol, value, _ := strings.Cut(item, "=")
		of := &l.h1
		switch protocol {
		case "h1":
		case "h2":
			of = &l.h2
		default:
			return Limits{}, fmt.Errorf("%q begins with neither h1= nor h2=", item)
		}
		if of[locAPI] != (rule{}) {
			return Limits{}, fmt.Errorf("%s is given twice", protocol)
		}
		var err error
		if of[locAPI], err = parseRule(value); err != nil {
			return Limits{}, fmt.Errorf("%q: %w", item, err)
		}
	}
	return l, nil
}

// parseRule reads RATE/BURST. The rate may be a fraction, down to the
// thousandth that nginx counts in; the condition is written so that NaN fails.
func parseRule(s string) (rule, error) {
	first, second, ok := strings.Cut(s, "/")
	rate, err := strconv.ParseFloat(first, 64)
	if !ok || err != nil || !(rate >= 0.001 && rate <= 1e6) {
		return rule{}, fmt.Errorf("want RATE/BURST with a rate of 0.001 to 1000000 requests a second")
	}
	burst, err := strconv.ParseInt(second, 10, 32)
	if err != nil || burst < 0 {
		return rule{}, fmt.Errorf("burst %q is not a count", second)
	}
	return perSecond(rate, burst), nil
}

// String gives the text that ParseLimits reads.
func (l Limits) String() string {
	if l.text == "" {
		return "none"
	}
	return l.text
}

// locate tells in which location of the front end's configuration a path
// lies. A nested repository's tags and manifests fall into the rest of /v2
// (doc/quay-api.md section 6).
func locate(path string) location {
	switch {
	case strings.HasPrefix(path, "/api/"):
		return locAPI
	case strings.HasPrefix(path, "/v1/"):
		return locV1
	case path == "/v2/auth":
		return locAuth
	case path == "/v2/_catalog":
		return locCatalog
	case path != "/v2" && !strings.HasPrefix(path, "/v2/"):
		return locOther
	case strings.Contains(path, "/blobs/"):
		return locBlobs // nested or not: this one's expression takes any depth
	}
	// "", "v2", namespace, repository, verb, the rest
	parts := strings.SplitN(path, "/", 6)
	if len(parts) == 6 && parts[4] == "tags" {
		return locTags
	}
	if len(parts) == 6 && parts[4] == "manifests" {
		return locManifests
	}
	return locV2
}

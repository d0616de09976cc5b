// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"math"
	"strings"
)

// Limits are the limit_req lines of nginx's configuration. The zero value admits
// everything, as a Quay does by default (doc/quay-api.md section 6).
type Limits struct{ HTTP1, HTTP2 Rules }

// Rules holds one rule for each location.
type Rules [locations]Rule

// A Rule is one limit_req line: requests above the rate pass at once until burst
// of them are outstanding, and are refused beyond that. The zero Rule does not
// limit.
type Rule struct {
	rate  int64 // thousandths of a request a second; 0: no limit
	burst int64 // thousandths of a request
}

// PerSecond returns the rule of "rate=Nr/s burst=N nodelay". The rate may be a
// fraction, down to the thousandth that nginx counts in.
func PerSecond(rate float64, burst int64) Rule {
	return Rule{rate: int64(math.Round(rate * 1000)), burst: burst * 1000}
}

// APIRule returns rules that limit /api/ alone.
func APIRule(r Rule) Rules { return Rules{locAPI: r} }

// A location is a class of paths in nginx's configuration.
type location int

const (
	locOther location = iota // web pages and object storage: no limit
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

// A zone is the shared memory in which nginx counts requests. Locations of the same
// zone share a bucket, each with its own burst.
type zone int

// zoneOf follows the template (doc/quay-api.md section 6 has the line numbers).
var zoneOf = [locations]zone{
	locAPI: 1, locV1: 1, locCatalog: 1, // dynamicauth_heavy
	locAuth:      2,              // namespace_auth
	locManifests: 3, locBlobs: 3, // namespaced, light
	locTags: 4, // namespaced, heavy
	locV2:   5, // very light
}

// QuayLimits returns the limits of Quay's template with FEATURE_RATE_LIMITS on,
// behind a load balancer with the PROXY protocol: the table of doc/quay-api.md
// section 6.
func QuayLimits() Limits {
	return Limits{
		HTTP1: Rules{
			locAPI: PerSecond(5, 25), locV1: PerSecond(5, 5), locCatalog: PerSecond(5, 1),
			locAuth:      PerSecond(120, 2),
			locManifests: PerSecond(50, 10), locBlobs: PerSecond(50, 50),
			locTags: PerSecond(5, 2), locV2: PerSecond(60, 20),
		},
		HTTP2: Rules{
			locAPI: PerSecond(50, 100), locV1: PerSecond(50, 25), locCatalog: PerSecond(50, 5),
			locAuth:      PerSecond(120, 2),
			locManifests: PerSecond(500, 50), locBlobs: PerSecond(500, 100),
			locTags: PerSecond(50, 2), locV2: PerSecond(600, 80),
		},
	}
}

// locate returns the location of a path. The tags and manifests of a nested
// repository belong to the rest of /v2 (doc/quay-api.md section 6).
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
		return locBlobs // nested or not: the expression of this location matches any depth
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

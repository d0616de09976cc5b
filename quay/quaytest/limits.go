// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/front"
)

// Limits are how many requests a second the server admits, by protocol and path. The
// zero value admits everything, as a Quay does by default (doc/quay-api.md section 6).
type Limits struct {
	text  string // as ParseLimits reads it
	front front.Limits
}

// A LimitKey is what shares an allowance of HTTP/2 requests. Over HTTP/1.1 the key is
// always the address.
type LimitKey string

// The keys. Quay's template gives an allowance to each HTTP/2 connection
// (doc/quay-api.md section 6); a proxy before it may give one to each address.
const (
	LimitByConnection LimitKey = "connection"
	LimitByAddress    LimitKey = "address"
)

// A Rate admits a number of requests a second, 0.001 to 1,000,000, and after a pause
// Burst further requests at once. The zero Rate does not limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// String returns the form that [ParseLimits] reads: RATE/BURST.
func (r Rate) String() string {
	return strconv.FormatFloat(r.PerSecond, 'f', -1, 64) + "/" + strconv.Itoa(r.Burst)
}

// check returns what is wrong with the rate. The condition is written so that NaN
// fails.
func (r Rate) check() error {
	if !(r.PerSecond >= 0.001 && r.PerSecond <= 1e6) || r.Burst < 0 {
		return errors.New("want RATE/BURST with a rate of 0.001 to 1000000 requests a second")
	}
	return nil
}

// QuayLimits returns the limits of Quay's own template with FEATURE_RATE_LIMITS on,
// behind a load balancer with the PROXY protocol: the table of doc/quay-api.md
// section 6.
func QuayLimits() Limits { return Limits{text: "quay.io", front: front.QuayLimits()} }

// APILimits returns limits for paths below /api/ alone. A zero Rate does not limit
// its protocol. It fails if a rate is out of range.
func APILimits(http1, http2 Rate) (Limits, error) {
	var l Limits
	var texts []string
	for _, p := range []struct {
		name string
		rate Rate
		to   *front.Rules
	}{{"h1", http1, &l.front.HTTP1}, {"h2", http2, &l.front.HTTP2}} {
		if p.rate == (Rate{}) {
			continue
		}
		if err := p.rate.check(); err != nil {
			return Limits{}, fmt.Errorf("quaytest: limit %s=%v: %w", p.name, p.rate, err)
		}
		*p.to = front.APIRule(front.PerSecond(p.rate.PerSecond, int64(p.rate.Burst)))
		texts = append(texts, p.name+"="+p.rate.String())
	}
	l.text = strings.Join(texts, ",")
	return l, nil
}

// ParseLimits parses "none", "quay.io" for [QuayLimits], or the rates of [APILimits]
// by protocol, such as "h2=50/100,h1=5/25".
func ParseLimits(s string) (Limits, error) {
	l, err := parseLimits(s)
	if err != nil {
		return Limits{}, fmt.Errorf("quaytest: limits %q: %w", s, err)
	}
	return l, nil
}

// parseLimits is ParseLimits for callers that name the text in their own errors.
func parseLimits(s string) (Limits, error) {
	switch s {
	case "", "none":
		return Limits{}, nil
	case "quay.io":
		return QuayLimits(), nil
	}
	rates := map[string]Rate{}
	for item := range strings.SplitSeq(s, ",") {
		protocol, value, _ := strings.Cut(item, "=")
		if protocol != "h1" && protocol != "h2" {
			return Limits{}, fmt.Errorf("%q begins with neither h1= nor h2=", item)
		}
		if _, twice := rates[protocol]; twice {
			return Limits{}, fmt.Errorf("%s is given twice", protocol)
		}
		r, err := parseRate(value)
		if err != nil {
			return Limits{}, fmt.Errorf("%q: %w", item, err)
		}
		rates[protocol] = r
	}
	l, err := APILimits(rates["h1"], rates["h2"])
	l.text = s
	return l, err
}

// parseRate parses RATE/BURST.
func parseRate(s string) (Rate, error) {
	first, second, ok := strings.Cut(s, "/")
	rate, err := strconv.ParseFloat(first, 64)
	if !ok || err != nil {
		return Rate{}, Rate{}.check()
	}
	r := Rate{PerSecond: rate}
	if err := r.check(); err != nil {
		return Rate{}, err
	}
	burst, err := strconv.ParseInt(second, 10, 32)
	if err != nil || burst < 0 {
		return Rate{}, fmt.Errorf("burst %q is not a count", second)
	}
	r.Burst = int(burst)
	return r, nil
}

// String returns a text that [ParseLimits] reads.
func (l Limits) String() string {
	if l.text == "" {
		return "none"
	}
	return l.text
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// LimitKey says what shares an allowance.
type LimitKey string

// The keys. Over HTTP/1.1 an allowance is always an address's; over HTTP/2
// Quay's template gives one to each connection (doc/quay-api.md section 6),
// and a proxy in front, such as quay.io's, may give one to each address.
const (
	LimitByConnection LimitKey = "connection"
	LimitByAddress    LimitKey = "address"
)

// A limiter counts requests as nginx's limit_req does with burst and nodelay:
// a leaky bucket in thousandths of a request and in milliseconds. A refused
// request does not fill the bucket.
//
// It runs on real time even when the server's clock stands still: a client
// that keeps inside a rate has to be seen doing so.
type limiter struct {
	key    LimitKey
	limits Limits
	later  *laterLimits // nil: limits hold for good

	mu      sync.Mutex
	start   time.Time // of the first request
	buckets map[bucketKey]bucket
	sweep   int // number of buckets at which to drop the empty ones
}

// laterLimits takes the place of the limits some time after the first request.
type laterLimits struct {
	after  time.Duration
	limits Limits
}

// A bucketKey tells the buckets of a zone apart. Protocols have zones of their
// own, but for the token endpoint's.
type bucketKey struct {
	zone  zone
	major int    // protocol
	conn  uint64 // serial of the connection, or 0
	text  string // address or Authorization header
}

// A bucket leaks at the rate of the location that was asked for, so that
// locations of one zone may have different bursts.
type bucket struct {
	excess int64 // thousandths of a request above the rate
	last   int64 // milliseconds since the limiter's start
	rate   int64 // of the rule that filled it last
}

// fewBuckets are not worth a sweep.
const fewBuckets = 1024

// admit tells whether the request passes. The first request of a bucket passes
// and leaves it empty, so burst+1 requests pass at once; from then on each
// fills the bucket by a thousand, and what leaked since the last one is taken
// off first. When that would be more than the burst, the request is refused.
func (l *limiter) admit(r *http.Request, loc location) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start.IsZero() {
		l.start, l.buckets, l.sweep = time.Now(), map[bucketKey]bucket{}, fewBuckets
	}
	age := time.Since(l.start)
	limits := l.limits
	if l.later != nil && age >= l.later.after {
		limits = l.later.limits
	}
	rule := limits.h1[loc]
	if r.ProtoMajor >= 2 {
		rule = limits.h2[loc]
	}
	k, limited := l.bucketKey(r, loc)
	if rule.rate == 0 || !limited {
		return true
	}
	now := age.Milliseconds()
	b, ok := l.buckets[k]
	if !ok {
		l.makeRoom(now)
		l.buckets[k] = bucket{last: now, rate: rule.rate}
		return true
	}
	excess := max(b.excess-rule.rate*(now-b.last)/1000+1000, 0)
	if excess > rule.burst {
		return false
	}
	l.buckets[k] = bucket{excess: excess, last: now, rate: rule.rate}
	return true
}

// bucketKey gives the bucket a request draws on. The token endpoint counts by
// Authorization header, and does not limit a request without one.
func (l *limiter) bucketKey(r *http.Request, loc location) (k bucketKey, limited bool) {
	k = bucketKey{zone: zoneOf[loc], major: r.ProtoMajor}
	if loc == locAuth {
		k.major, k.text = 0, r.Header.Get("Authorization")
		return k, k.text != ""
	}
	if r.ProtoMajor >= 2 && l.key != LimitByAddress {
		if c := connectionOf(r); c != nil {
			k.conn = c.serial
		} else {
			k.text = r.RemoteAddr // with its port: one connection
		}
		return k, true
	}
	k.text = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		k.text = host
	}
	return k, true
}

// makeRoom drops the buckets that have run empty, so that a server which many
// connections visit does not grow. A new bucket behaves as an empty one.
func (l *limiter) makeRoom(now int64) {
	if len(l.buckets) < l.sweep {
		return
	}
	for k, b := range l.buckets {
		if b.excess-b.rate*(now-b.last)/1000+1000 <= 0 {
			delete(l.buckets, k)
		}
	}
	l.sweep = max(fewBuckets, 2*len(l.buckets))
}

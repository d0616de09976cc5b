// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// A limiter counts requests as nginx's limit_req does with burst and nodelay: a
// leaky bucket in thousandths of a request and in milliseconds. A refused request
// does not fill the bucket. It runs on real time even if the server's clock stands
// still.
type limiter struct {
	byAddress bool
	limits    Limits
	later     *LaterLimits // nil: limits hold for good

	mu      sync.Mutex
	start   time.Time // of the first request
	buckets map[bucketKey]bucket
	sweep   int // number of buckets from which empty ones are dropped
}

// LaterLimits replace the limits some time after the first request.
type LaterLimits struct {
	After  time.Duration
	Limits Limits
}

// A bucketKey identifies a bucket of a zone. Each protocol has its own zones,
// except for the token endpoint.
type bucketKey struct {
	zone  zone
	major int    // protocol
	conn  uint64 // serial of the connection, or 0
	text  string // address or Authorization header
}

// A bucket leaks at the rate of the requested location, so the locations of one
// zone may have different bursts.
type bucket struct {
	excess int64 // thousandths of a request above the rate
	last   int64 // milliseconds since the limiter's start
	rate   int64 // of the last rule that filled the bucket
}

// fewBuckets is the number of buckets below which none is dropped.
const fewBuckets = 1024

// admit reports whether the request passes. The first request of a bucket passes
// and leaves the bucket empty, so burst+1 requests pass at once. Each later one
// fills the bucket by a thousand, after subtracting what has leaked since the last
// one, and is refused if the bucket would hold more than the burst.
func (l *limiter) admit(r *http.Request, loc location) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start.IsZero() {
		l.start, l.buckets, l.sweep = time.Now(), map[bucketKey]bucket{}, fewBuckets
	}
	age := time.Since(l.start)
	limits := l.limits
	if l.later != nil && age >= l.later.After {
		limits = l.later.Limits
	}
	rule := limits.HTTP1[loc]
	if r.ProtoMajor >= 2 {
		rule = limits.HTTP2[loc]
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

// bucketKey returns the bucket of a request. The token endpoint counts by
// Authorization header, and does not limit a request without one.
func (l *limiter) bucketKey(r *http.Request, loc location) (k bucketKey, limited bool) {
	k = bucketKey{zone: zoneOf[loc], major: r.ProtoMajor}
	if loc == locAuth {
		k.major, k.text = 0, r.Header.Get("Authorization")
		return k, k.text != ""
	}
	if r.ProtoMajor >= 2 && !l.byAddress {
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

// makeRoom drops empty buckets, so that memory does not grow with the number of
// connections. A new bucket behaves like an empty one.
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

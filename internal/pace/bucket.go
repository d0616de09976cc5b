// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"math"
	"time"
)

// A bucket is the client's model of nginx's limit_req (doc/quay-api.md section
// 6): burst requests at once after a rest, then rate a second. The server holds
// none back: what comes too early is refused, and a refusal costs its bucket
// nothing.
type bucket struct {
	rate  float64 // tokens a second
	burst float64 // tokens it holds at most
	level float64 // tokens in it at the time at; may be below zero
	at    time.Time
	full  time.Time // since when it has been full; zero: it is not
}

// The client keeps a little below what it takes the server to admit: requests
// leave evenly, but may arrive bunched.
const (
	rateMargin  = 0.99
	burstMargin = 0.05
)

// margin is how many requests may arrive too early without a refusal.
func margin(burst float64) float64 { return max(1, burst*burstMargin) }

// newBucket returns a full bucket for what a server admits.
func newBucket(a allowance, now time.Time) bucket {
	b := bucket{rate: a.rate * rateMargin, at: now}
	b.burst = max(1, a.burst-margin(a.burst))
	b.level = b.burst
	return b
}

// wait returns how long it is until there is a token; 0 is now.
func (b *bucket) wait(now time.Time) time.Duration {
	b.refill(now)
	const rounding = 1e-6
	if b.level >= 1-rounding {
		return 0
	}
	return seconds(min((1-b.level)/b.rate, 3600))
}

// take uses a token up.
func (b *bucket) take(now time.Time) {
	b.refill(now)
	b.level--
	b.full = time.Time{}
}

// drain empties the bucket: the server's is known to be full.
func (b *bucket) drain(now time.Time) {
	b.refill(now)
	b.level = -margin(b.burst)
	b.full = time.Time{}
}

// refill adds what has come in.
func (b *bucket) refill(now time.Time) {
	if !now.After(b.at) {
		return
	}
	b.level += b.rate * now.Sub(b.at).Seconds()
	b.at = now
	if over := b.level - b.burst; over > 0 {
		b.level = b.burst
		if b.full.IsZero() {
			b.full = now.Add(-seconds(over / b.rate))
		}
	}
}

// seconds rounds up.
func seconds(s float64) time.Duration {
	return time.Duration(math.Ceil(s * float64(time.Second)))
}

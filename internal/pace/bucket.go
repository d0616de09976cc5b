// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"math"
	"time"
)

// A bucket is the client's side of nginx's limit_req (doc/quay-api.md section 6)
// for one connection: burst requests at once after a rest, then rate a second.
// The server queues nothing: a request that comes too early is refused, and a
// refusal costs nothing. Rate and burst are the estimate's.
type bucket struct {
	level float64   // tokens at the time at; may be below zero
	at    time.Time // last refill
	full  time.Time // since when the bucket has been full; zero: it is not
}

// The client stays a little below what the server admits: requests leave evenly,
// but may arrive bunched.
const (
	rateMargin  = 0.99
	burstMargin = 0.05
)

// margin is how many requests may arrive too early without being refused.
func margin(burst float64) float64 { return max(1, burst*burstMargin) }

// wait returns how long it takes until there is a token; 0 is now.
func (b *bucket) wait(e *estimate, now time.Time) time.Duration {
	b.refill(e, now)
	const rounding = 1e-6
	if b.level >= 1-rounding {
		return 0
	}
	return seconds(min((1-b.level)/e.rate, 3600))
}

// take removes a token.
func (b *bucket) take(e *estimate, now time.Time) {
	b.refill(e, now)
	b.level--
	b.full = time.Time{}
}

// drain empties the bucket, because the server has just refused a request.
func (b *bucket) drain(e *estimate, now time.Time) {
	b.refill(e, now)
	b.level = -margin(e.burst)
	b.full = time.Time{}
}

// refill adds the tokens of the time since the last refill.
func (b *bucket) refill(e *estimate, now time.Time) {
	if !now.After(b.at) {
		return
	}
	b.level += e.rate * now.Sub(b.at).Seconds()
	b.at = now
	if over := b.level - e.burst; over > 0 {
		b.level = e.burst
		if b.full.IsZero() {
			b.full = now.Add(-seconds(over / e.rate))
		}
	}
}

// seconds returns a duration, rounded up.
func seconds(s float64) time.Duration {
	return time.Duration(math.Ceil(s * float64(time.Second)))
}

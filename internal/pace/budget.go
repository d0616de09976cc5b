// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// A scope is what a server counts requests by.
type scope uint8

const (
	unknown scope = iota
	byConnection
	byAddress
)

var scopeNames = [...]string{"", "connection", "address"}

func (s scope) String() string { return scopeNames[s] }

const (
	// holdUp is how long the estimate alone has to hold requests back before
	// another connection is worth its cost.
	holdUp = 200 * time.Millisecond
	// backlog is how many seconds of waiting requests another connection needs.
	backlog = 0.5
	// firstShare is the part of the burst that the second connection starts
	// with, until it has shown that it has an allowance of its own.
	firstShare = 0.25
	// proof is how many requests more than one allowance explains are proof of a
	// second one; proofTime adds what a server admits in so many seconds, since
	// requests do not arrive in the intervals they were sent in.
	proof     = 5
	proofTime = 0.1
	// chance is how long after a refusal another one shows that connections share
	// an allowance, when they had seemed to have their own.
	chance = 5 * time.Second
)

// A budget is what a class of requests may send: one estimate, and a bucket for
// each connection in use.
type budget struct {
	estimate
	buckets []*bucket // the first is always there
	most    int       // connections it may use
	asked   bool      // the user asked for so many, whatever the server's rate
	scope   scope
	held    time.Time // since when the estimate alone holds requests back; zero: it does not

	// The proof that a new connection has an allowance of its own.
	proving  bool
	began    time.Time // when it was taken into use
	credit   float64   // requests that one allowance had left then, at most
	seen     float64   // requests admitted since
	withheld float64   // part of its burst, until then

	struck time.Time // last refusal of connections that seemed to have allowances of their own
}

// newBudget starts from a published allowance.
func newBudget(a allowance, fixed bool, now time.Time) *budget {
	b := &budget{estimate: newEstimate(a, fixed, now), most: 1}
	b.buckets = []*bucket{{level: b.burst, at: now}}
	return b
}

// chosenBudget is the allowance that the user asked for, which is never exceeded.
func chosenBudget(a allowance, now time.Time) *budget {
	b := newBudget(a, true, now)
	b.rate, b.ceiling, b.burst = a.rate, a.rate, max(1, a.burst)
	b.buckets[0].level = b.burst
	return b
}

// openBudget is for paths of which no limit is published.
func openBudget(now time.Time) *budget {
	b := newBudget(allowance{1, 1}, false, now)
	b.phase = unlimited
	return b
}

// pick finds the connection for the next request, a listing or not, among those
// that are usable, or returns -1 and how long it takes until the estimate lets it
// go; never is until an answer comes.
func (b *budget) pick(now time.Time, listing bool, usable func(i int) bool) (best int, wait time.Duration) {
	if b.judge(now) {
		one := b.buckets[0] // the only one
		room := min(b.rate*now.Sub(b.cut).Seconds()-margin(b.burst), b.burst/2)
		if b.blocked {
			room = 0
		}
		one.level, one.at = max(1, room), now
	}
	best, wait = -1, never
	blocked := true
	for i, one := range b.buckets {
		if !usable(i) {
			continue
		}
		blocked = false
		d := b.wait(one, now, listing)
		wait = min(wait, d)
		if d == 0 && (best < 0 || one.level > b.buckets[best].level) {
			best = i
		}
	}
	switch {
	case best >= 0:
		return best, 0
	case blocked:
		b.release()
		return -1, never
	case b.held.IsZero():
		b.held = now
	}
	if d := holdUp - now.Sub(b.held); d > 0 {
		wait = min(wait, d)
	}
	return -1, wait
}

// wait returns how long it is until a request may go on a connection.
func (b *budget) wait(one *bucket, now time.Time, listing bool) time.Duration {
	if b.phase == unlimited {
		return 0
	}
	d := one.wait(&b.estimate, now)
	if !one.full.IsZero() && now.Sub(one.full) >= idle && len(b.buckets) == 1 {
		b.rest(now)
	}
	if d > 0 && b.phase == published && b.round == 0 && !b.fixed() {
		b.explore()
	}
	switch {
	case b.exploring() && (b.extra > 0 || listing):
		return 0
	case b.exploring():
		return never
	}
	return d
}

// take lets a request go on connection i.
func (b *budget) take(i int, now time.Time) {
	b.out++
	switch {
	case b.phase == unlimited:
	case b.exploring():
		b.extra = max(b.extra-1, 0)
	default:
		b.buckets[i].take(&b.estimate, now)
	}
}

// release records that the estimate does not hold requests back. A budget may be nil,
// here and below: before the first answer the protocol is not known.
func (b *budget) release() {
	if b != nil {
		b.held = time.Time{}
	}
}

// grow takes more connections into use if that is worth its cost, and reports whether it
// did: if the estimate holds requests back, with so many waiting, or if there is no
// limit and the connections are full.
func (b *budget) grow(now time.Time, waiting int, full bool) bool {
	switch {
	case b == nil || len(b.buckets) >= b.most || b.scope == byAddress:
		return false
	case b.phase == unlimited:
		if full {
			b.add(b.burst, now)
		}
		return full
	case !b.asked && !b.holds(), b.scope == unknown && len(b.buckets) > 1:
		return false
	case b.held.IsZero() || now.Sub(b.held) < holdUp || float64(waiting) < backlog*b.total():
		return false
	case b.scope == unknown:
		if b.holds() {
			b.set(b.template.rate*rateMargin, now) // it may have been raised since the first refusal
		}
		b.prove(now)
		b.add(firstShare*b.burst, now)
		b.withheld = (1 - firstShare) * b.burst
		return true
	}
	for len(b.buckets) < b.most {
		b.add(b.burst, now)
	}
	return true
}

// holds reports whether the published allowance explains all that was seen.
func (b *budget) holds() bool {
	return b.phase == published && b.fixed() || b.phase == learned && b.asExpected
}

func (b *budget) add(level float64, now time.Time) {
	b.buckets = append(b.buckets, &bucket{level: level, at: now})
}

// prove begins to count what is admitted, for the proof that a new connection has
// an allowance of its own.
func (b *budget) prove(now time.Time) {
	b.proving, b.began, b.seen = true, now, 0
	b.credit = b.buckets[0].level + margin(b.burst) + 1
	if !b.rested {
		n, took := float64(len(b.admitted)), now.Sub(b.mark).Seconds()
		b.credit = max(1, min(b.size, b.high+b.highest()*took-n))
	}
}

// explained is how many requests one allowance admits from the beginning of the
// proof until a time, at most.
func (b *budget) explained(until time.Time) float64 {
	return b.credit + proof + b.highest()*(proofTime+until.Sub(b.began).Seconds())
}

// highest is the greatest rate that one allowance may have.
func (b *budget) highest() float64 {
	if b.holds() {
		return b.template.rate
	}
	return b.rate / below * (1 + b.gain)
}

// answered records that a request was admitted, or that nothing came of it.
func (b *budget) answered(sent, now time.Time, admitted bool) {
	b.out--
	if admitted && len(b.buckets) == 1 {
		b.admit(sent, now)
	}
	if b.exploring() && b.extra == 0 && b.out == 0 {
		b.explored()
	}
	if admitted && b.proving && !sent.Before(b.began) {
		b.seen++
		if b.seen > b.explained(sent) {
			b.proving, b.scope = false, byConnection
			last := b.buckets[len(b.buckets)-1]
			last.level = min(b.burst, last.level+b.withheld)
		}
	}
}

// refused records a refusal of a request on connection i.
func (b *budget) refused(i int, now, sent time.Time) {
	b.out--
	if len(b.buckets) > 1 && b.phase != unlimited {
		b.contradict(i, now, sent)
		return
	}
	if b.proving && !sent.Before(b.began) {
		b.proving, b.scope = false, byAddress
	}
	b.buckets = b.buckets[:1] // one is enough to learn with
	if b.refuse(now, sent) {
		b.buckets[0].drain(&b.estimate, now)
	}
}

// contradict handles a refusal while several connections are in use: they share
// an allowance, unless they have shown the opposite, and it is the first refusal
// in a while.
func (b *budget) contradict(i int, now, sent time.Time) {
	if sent.Before(b.cut) {
		return
	}
	b.cut = now
	struck := b.struck
	b.struck = now
	if b.scope == byConnection && (struck.IsZero() || now.Sub(struck) > chance) {
		if i < len(b.buckets) {
			b.buckets[i].drain(&b.estimate, now)
		}
		return
	}
	b.merge(sent, now)
}

// merge ends the use of several connections for good.
func (b *budget) merge(sent, now time.Time) {
	b.scope, b.phase, b.most, b.proving = byAddress, learned, 1, false
	b.buckets = b.buckets[:1]
	b.admitted = nil
	b.isFull(sent)
	b.buckets[0].drain(&b.estimate, now)
	b.search()
	b.passed, b.raised = 0, now
}

// connected records that connection i was made, which took a time: the server's
// bucket for it cannot have got any tokens meanwhile.
func (b *budget) connected(i int, took time.Duration) {
	if i < len(b.buckets) {
		b.buckets[i].level -= b.rate * took.Seconds()
	}
}

// renew records that the server closed connection i, and a new one took its place.
// The new one has an allowance of its own unless the server counts by address.
func (b *budget) renew(i int, now time.Time) {
	if b == nil || i >= len(b.buckets) {
		return
	}
	one := b.buckets[i]
	switch b.scope {
	case byConnection:
		one.level, one.at = b.burst, now
	case unknown:
		if b.holds() && !b.proving {
			b.prove(now)
			one.refill(&b.estimate, now)
			more := min(b.burst-one.level, b.explained(now)+proof)
			one.level += more
			b.withheld = b.burst - more
		} else if b.phase == learned && b.gain < mostGain/2 {
			// The bucket may be a new and empty one. What that lets through says
			// nothing of a rate that is known.
			b.gain, b.need, b.passed = leastGain, b.rate*longRest.Seconds(), 0
		}
	}
}

// confine records that there can be no more than one connection.
func (b *budget) confine() {
	if b != nil {
		b.most, b.buckets = 1, b.buckets[:1]
	}
}

// total is the rate over all connections, in requests a second.
func (b *budget) total() float64 { return b.rate * float64(len(b.buckets)) }

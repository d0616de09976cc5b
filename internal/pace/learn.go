// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// Lessons are what refusals have taught about a limit.
//
// When a request is refused the server's bucket is full. If the client's rate
// was above the server's all the time between two refusals, the server admitted
// exactly what leaked out of its bucket: the number divided by the time is its
// rate, right to one request. That makes learning quick.
type lessons struct {
	evidence
	cut   time.Time // when a refusal last came; what was sent before is of its round
	due   bool      // its round has still to be judged
	moot  bool      // the round says nothing of the rate: others filled the bucket
	spare float64   // tokens the bucket had then, and the server had not
	sized bool      // the server's bucket is known to be no larger
	dark  bool      // nothing was admitted in the round before

	// The rate rests until the time rest. Then it grows, each second by the
	// part growth of it and ever faster.
	part   float64 // of the rate that it may be wrong by
	rest   time.Time
	growth float64
	grown  time.Time
	frozen bool // a trial is on: it does not grow
}

const (
	below        = 0.98 // of a measured rate is used
	searchGrowth = 0.5  // of a guess
	leastGrowth  = 0.005
	longRest     = time.Minute
	burstRest    = 10 * time.Second // after a burst alone was as expected
	burstGrowth  = 0.125            // and then: one refusal more on a server that has the published rate

	trialRate = 0.75 // of the rate is used in a trial
	goodPart  = 0.4  // a rate that is wrong by no more is fit for one
	surePart  = 0.1  // that one proves that there is one allowance

	fewSince = 6 // requests tell a rate
)

// judge learns from a round with refusals, once nothing of it is on its way. It
// tells whether the server admitted so little that it did not do so under this
// limit alone.
func (l *limit) judge(now time.Time) (surprise bool) {
	if !l.due {
		return false
	}
	l.due = false
	if l.moot {
		l.moot = false
		l.refill(now)
		l.resume(now)
		return false
	}
	n := float64(l.admitted)
	measured := n / l.evidence.seconds()
	expected := l.rate
	if l.brimful {
		expected = measured
	}
	switch {
	case n == 0:
		l.black(now)
		return false
	case l.dark && l.last.Sub(l.from) < 2*time.Second:
		l.search(l.rate/2, now)
	case l.phase == open:
		l.search(measured/2, now)
	case l.least() > 1.2*expected:
		// The rate is higher than that, so the bucket is smaller: by how much
		// is not known, and the next round tells.
		l.burst, l.sized = max(1, min(l.burst*0.8, n+float64(l.later-l.since))), false
		l.settle(max(l.least(), l.rate*0.9), 2/float64(l.since), 0, now)
	case l.brimful && measured <= l.evidence.rate*1.01:
		l.settle(measured*below, 1/n+l.paused/l.evidence.seconds(), 2*l.last.Sub(l.from), now)
	case l.brimful:
		// For a part of the time the client's rate was below the server's:
		// that is higher than what was measured, and lower than the rate now.
		most := max(l.rate, measured)
		l.settle((measured+most)/2, (most-measured)/most, 0, now)
	case n >= 0.9*l.burst-1 && l.tried > 0:
		l.settle(l.rate, 1, 0, now) // the burst is larger than expected: what else is?
	case n >= 0.9*l.burst-1:
		// As expected. But a burst says little of the rate: it is tried out soon.
		l.sized = true
		l.settle(l.rate, 1/n, burstRest, now)
		l.growth = burstGrowth
	default:
		surprise = n < l.burst/2
		l.burst, l.sized = max(1, n-margin(n)), true
		l.search(l.rate/2, now)
	}
	if l.spare > 1 && l.phase != open {
		l.burst = max(1, min(l.burst, n))
		l.level = max(l.level, -margin(l.burst))
	}
	l.phase, l.dark = learned, false
	l.refill(now)
	l.level = min(l.level, l.burst/2) // the burst may be wrong as well
	l.resume(now)
	return surprise
}

// resume begins anew with the last refusal, after the pause that followed it.
func (l *limit) resume(now time.Time) {
	l.next(l.rate)
	l.paused = now.Sub(l.cut).Seconds()
	l.wasted = max(0, l.paused-(l.burst+margin(l.burst))/l.rate)
}

// black takes in that nothing at all was admitted. That is an outage and tells
// no rate, nor how much of its bucket the server has emptied since.
func (l *limit) black(now time.Time) {
	l.dark = true
	if l.phase == learned {
		l.refill(now)
		l.level = min(l.level, 1)
	}
	l.next(l.rate)
}

// settle sets a rate that is known up to a part of it, to rest there for a
// while. It takes some seconds then to find out about that part.
func (l *limit) settle(rate, part float64, rest time.Duration, now time.Time) {
	l.set(min(rate, l.rate), now)
	l.part, l.rest, l.growth = part, now.Add(min(rest, longRest)), max(part/8, leastGrowth)
}

// search sets a rate that is a guess, to leave it at once.
func (l *limit) search(rate float64, now time.Time) {
	l.set(rate, now)
	l.part, l.rest, l.growth = 1, now, searchGrowth
}

func (l *limit) set(rate float64, now time.Time) {
	l.rate = min(max(rate, 0.1), l.ceiling)
	l.grown = now
}

// grow raises a rate that holds requests back and has not been refused for a
// while.
func (l *limit) grow(now time.Time) {
	rested := now.Sub(l.rest)
	if rested <= 0 || l.frozen {
		l.grown = now
		return
	}
	step := min(now.Sub(l.grown), time.Second).Seconds()
	hurry := 1 + rested.Seconds()/5
	l.set(l.rate*(1+l.growth*hurry*step), now)
}

// known tells whether the limit is, up to a part of its rate.
func (l *limit) known(part float64) bool {
	return l.phase == learned && l.part <= part || l.phase == believed && l.fixed()
}

// highest is the rate that the server may have, at most, as far as is known.
func (l *limit) highest() float64 {
	rate := l.rate
	if l.frozen {
		rate /= trialRate
	}
	return rate * (1 + l.part/2) / below
}

// freeze keeps the rate where it cannot be what is refused: a trial is on.
func (l *limit) freeze() {
	l.frozen = true
	l.rate *= trialRate
}

// thaw ends what freeze began.
func (l *limit) thaw() {
	if l.frozen {
		l.frozen = false
		l.rate /= trialRate
	}
}

// rebase takes in that others filled the server's bucket: a request that was
// sent then was refused.
func (l *limit) rebase(now, sent time.Time) {
	l.drain(now)
	l.phase, l.cut, l.due, l.moot = learned, now, true, true
	l.evidence = refused(sent, l.rate)
	l.last = sent
}

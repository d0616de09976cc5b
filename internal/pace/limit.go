// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"math"
	"time"
)

// A phase is what is known of a limit.
type phase uint8

const (
	believed phase = iota // the published allowance; nothing was refused yet
	probing               // it is used up, and a few requests try to go beyond it
	open                  // they were admitted: there is no limit that shows
	learned               // a refusal has shown the limit
)

var phaseNames = [...]string{"published", "published", "none", "learned"}

func (p phase) String() string { return phaseNames[p] }

// A limit governs the requests under one allowance of a server. It starts from
// the published one, and finds out what is true: beyond it by probing, below it
// from refusals (learn.go).
type limit struct {
	bucket
	phase   phase
	ceiling float64 // the rate is never above it
	out     int     // requests sent and not answered

	// While probing, a round of requests goes beyond the bucket and has to be
	// answered before the next, larger one.
	round int // size of the round
	extra int // of it, requests that are still to be sent
	tried int // admitted beyond the bucket in the rounds before

	lessons
}

// idle is how long the bucket has to be full until the server's is known to be
// empty.
const idle = time.Second

// newLimit starts from a published allowance. With fixed it never goes beyond.
func newLimit(a allowance, fixed bool, now time.Time) *limit {
	l := &limit{bucket: newBucket(a, now), ceiling: math.Inf(1)}
	l.evidence = rested(now)
	l.round = int(1.5*margin(a.burst)) + 2 // more than the margin hides
	if fixed {
		l.ceiling = l.rate
	}
	return l
}

// chosenLimit is what the user asked for: that, and never more.
func chosenLimit(a allowance, now time.Time) *limit {
	l := newLimit(a, true, now)
	l.rate, l.ceiling = a.rate, a.rate
	l.burst = max(1, a.burst)
	l.level = l.burst
	return l
}

// noLimit is for paths of which nothing is published.
func noLimit(now time.Time) *limit {
	l := newLimit(allowance{1, 1}, false, now)
	l.phase = open
	return l
}

// fixed tells whether the rate may not be exceeded.
func (l *limit) fixed() bool { return !math.IsInf(l.ceiling, 1) }

// wait returns how long it is until the limit lets a request go, a listing or
// not; never is until an answer comes. Somebody is waiting: it is not called when
// nobody is. Probes do not hold up a listing.
func (l *limit) wait(now time.Time, listing bool) time.Duration {
	if l.phase == open {
		return 0
	}
	d := l.bucket.wait(now)
	if !l.full.IsZero() && now.Sub(l.full) >= idle {
		l.evidence, l.dark = rested(now), false
	}
	switch {
	case l.phase == probing && (l.extra > 0 || listing):
		return 0
	case l.phase == probing:
		return never
	case d == 0:
		return 0
	case l.phase == believed && !l.fixed():
		l.phase, l.extra = probing, l.round
		return 0
	case l.phase == learned:
		l.grow(now)
		return l.bucket.wait(now)
	}
	return d
}

// take lets a request go.
func (l *limit) take(now time.Time) {
	l.out++
	switch l.phase {
	case open:
	case probing:
		l.extra = max(l.extra-1, 0)
	default:
		l.bucket.take(now)
	}
}

// answered takes in that a request was admitted, or that nothing came of it.
func (l *limit) answered(sent time.Time, admitted bool) {
	l.out--
	if admitted {
		l.admit(sent)
	}
	if l.phase == probing && l.extra == 0 && l.out == 0 {
		l.probed()
	}
}

// probed takes in that a round of probes was admitted. When as many were as the
// bucket holds, they cannot have fitted into the server's.
func (l *limit) probed() {
	l.tried += l.round
	if l.tried > int(l.burst) {
		l.phase = open
		return
	}
	l.round *= 3
	l.extra = l.round
}

// refuse takes in a refusal. It tells whether it is the first of its round:
// what was on its way by then says nothing new.
func (l *limit) refuse(now, sent time.Time) bool {
	l.out--
	l.evidence.refuse(sent)
	if sent.Before(l.cut) {
		return false
	}
	l.refill(now)
	l.cut, l.due, l.spare = now, true, l.level
	l.drain(now)
	if l.phase == probing {
		l.phase = believed
	}
	return true
}

// credit is how many requests the server admits at once, at most. Of a bucket
// that was full all is known but the time of the last leak; one that was empty
// began with a few more than the client's.
func (l *limit) credit(now time.Time) float64 {
	took := now.Sub(l.from).Seconds()
	if l.brimful {
		credit := max(1, 1+l.highest()*took-float64(l.admitted+l.later))
		if l.sized {
			credit = min(credit, l.burst+margin(l.burst)+1)
		}
		return credit
	}
	return max(l.level, 0) + min(margin(l.burst)+1+(1-below)*l.rate*took, l.burst)
}

// copy returns the limit of another connection to the same server.
func (l *limit) copy(now time.Time) *limit {
	c := *l
	c.extra, c.out, c.due = 0, 0, false
	c.refresh(now)
	return &c
}

// refresh takes in that the connection is new to the server.
func (l *limit) refresh(now time.Time) {
	l.level, l.at = l.burst, now
	l.evidence = rested(now)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// Evidence is what a server admitted since its bucket was in a known state:
// empty after a rest, or full when it refused a request.
type evidence struct {
	from    time.Time
	brimful bool    // the server's bucket was full then; otherwise it was empty
	rate    float64 // the client's rate then
	paused  float64 // seconds of the pause that followed
	wasted  float64 // of these, those in which the server's bucket was empty

	last     time.Time // when the last request was sent of those refused since; zero: none was
	admitted int       // requests sent after from, but not after last
	later    int       // requests sent after last

	first time.Time // when the first request was sent of those refused since
	since int       // requests sent after first
	until time.Time // when the last of these was sent
}

// rested is the evidence about a server that has not been asked for a while.
func rested(now time.Time) evidence {
	return evidence{from: now.Add(-1)} // what is sent at once counts
}

// refused is the evidence that begins with a refusal of what was sent at the
// time from.
func refused(from time.Time, rate float64) evidence {
	return evidence{from: from, brimful: true, rate: rate}
}

// admit counts a request that was admitted.
func (e *evidence) admit(sent time.Time) {
	if !e.first.IsZero() && sent.After(e.first) {
		e.since++
		if sent.After(e.until) {
			e.until = sent
		}
	}
	switch {
	case !sent.After(e.from):
	case !e.last.IsZero() && !sent.After(e.last):
		e.admitted++
	default:
		e.later++
	}
}

// refuse takes in a refusal.
func (e *evidence) refuse(sent time.Time) {
	if e.first.IsZero() {
		e.first = sent
	}
	if e.last.IsZero() || sent.After(e.last) {
		e.admitted += e.later
		e.last, e.later = sent, 0
	}
}

// seconds is how long it took to gather, less what the server wasted.
func (e *evidence) seconds() float64 {
	took := e.last.Sub(e.from).Seconds()
	return max(took-e.wasted, took/2, 0.001)
}

// least returns the least rate that the server can have: its bucket was full
// when it first refused a request, and so much was admitted since. It is 0 when
// that tells too little.
func (e *evidence) least() float64 {
	took := e.until.Sub(e.first).Seconds()
	if e.since < fewSince || took <= 0 {
		return 0
	}
	return float64(e.since-2) / took
}

// next begins anew with the last refusal, and the rate that is used from now on.
func (e *evidence) next(rate float64) {
	later := e.later
	*e = refused(e.last, rate)
	e.later = later
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"math"
	"slices"
	"time"
)

// A phase is what the estimate of a limit rests on.
type phase uint8

const (
	published phase = iota // what Quay publishes; nothing was refused yet
	unlimited              // requests far beyond that were admitted
	learned                // refusals have shown the limit
)

var phaseNames = [...]string{"published", "none", "learned"}

func (p phase) String() string { return phaseNames[p] }

// The constants are explained in doc/pace-internals.md.
const (
	below     = 0.98             // part of the rate that refusals show, to be used
	leastRate = 0.1              // requests a second; a slower server is left to the gate
	idle      = time.Second      // a full bucket for so long means that the server's is empty
	maxSends  = 1024             // admitted requests kept as evidence
	longRest  = 30 * time.Second // a confirmed rate is raised again after at most as long

	roundPart   = 4  // a round beyond the published limit is this part of what was admitted
	unlimitedAt = 40 // an admitted round of this size shows that there is no limit

	surePart  = 0.12 // of the rate at most is in doubt when the published one is confirmed
	leastGain = 0.01 // a confirmed rate is raised by this part first

	fewSince  = 6   // admitted requests between refusals of one round show a rate
	mostGain  = 0.5 // an unknown rate is raised by half
	stepAfter = 3   // after so many requests, at least,
	stepPart  = 15  // and after this part of a second
)

// An estimate is the rate and burst that a server is taken to admit: for a class
// of paths of one host, and over HTTP/2 for each connection. It starts from the
// published allowance, and learns by four rules: an outage (judge), the first
// refusal, a rate that is too high, and a burst that is too large (refit).
type estimate struct {
	rate, burst float64 // of the client's buckets
	size        float64 // requests that the server admits at once after a rest
	ceiling     float64 // the rate never exceeds it
	template    allowance
	phase       phase
	asExpected  bool // refusals came at the published burst, and fit the published rate

	lo, hi  float64 // the server's rate is between
	filled  float64 // requests admitted before the first refusal
	blocked bool    // nothing was admitted between the last two rounds of refusals
	doubt   bool    // the last round contradicted the rate, and was put down to the burst

	// Before the first refusal, requests go beyond the published allowance in
	// rounds. Each is answered before the next, larger one is sent.
	round  int // size of the round; 0: none has begun
	extra  int // requests of it that are still to be sent
	beyond int // requests admitted beyond the allowance
	out    int // requests sent and not answered

	// After a refusal the rate is raised by the part gain when need requests
	// sent since were admitted; then by twice as much after half as many.
	gain, need float64
	passed     int
	raised     time.Time

	sample
}

// A sample is what the server did since its bucket was in a known state.
type sample struct {
	mark        time.Time
	low, high   float64     // requests that it would have admitted at once then, at least and at most
	rested      bool        // all that it can: the mark is the end of a rest
	admitted    []time.Time // when the requests were sent that were admitted since
	first, last time.Time   // when the first and last refused requests were sent
	cut         time.Time   // when the last round of refusals began
	due         bool        // that round has not been judged
}

// newEstimate starts from a published allowance. A fixed rate is never exceeded.
func newEstimate(a allowance, fixed bool, now time.Time) estimate {
	e := estimate{template: a, rate: a.rate * rateMargin, ceiling: math.Inf(1), hi: math.Inf(1)}
	e.resize(a.burst + 1)
	if fixed {
		e.ceiling = e.rate
	}
	e.rest(now)
	return e
}

// resize sets how many requests the server admits at once. The client's burst is
// smaller by a margin.
func (e *estimate) resize(size float64) {
	e.size = max(1, size)
	e.burst = max(1, e.size-1-margin(e.size-1))
}

// fixed reports whether the rate may not be exceeded.
func (e *estimate) fixed() bool { return !math.IsInf(e.ceiling, 1) }

// rest records that the server's bucket has run empty.
func (e *estimate) rest(now time.Time) {
	e.sample = sample{mark: now.Add(-1), rested: true, cut: e.cut} // -1: what is sent now counts
}

// isFull records that the server's bucket was full when a refused request was sent.
func (e *estimate) isFull(sent time.Time) {
	later := slices.DeleteFunc(e.admitted, func(t time.Time) bool { return !t.After(sent) })
	e.sample = sample{mark: sent, high: 1, admitted: later, cut: e.cut}
}

// admit records an admitted request.
func (e *estimate) admit(sent, now time.Time) {
	if sent.After(e.mark) {
		if len(e.admitted) == maxSends {
			slices.SortFunc(e.admitted, time.Time.Compare)
			e.mark, e.low, e.high, e.rested = e.admitted[maxSends/2-1], 0, e.size, false
			e.admitted = slices.Delete(e.admitted, 0, maxSends/2)
		}
		e.admitted = append(e.admitted, sent)
	}
	if e.phase != learned || !sent.After(e.raised) {
		return
	}
	if e.passed++; float64(e.passed) >= e.need {
		e.set(e.rate*(1+e.gain), now)
		e.need, e.gain = max(e.need/2, stepAfter, e.rate/stepPart), min(2*e.gain, mostGain)
	}
}

// set changes the rate.
func (e *estimate) set(rate float64, now time.Time) {
	e.rate = min(max(rate, leastRate), e.ceiling)
	e.passed, e.raised = 0, now
}

// search makes the rate grow fast, since little is known of it.
func (e *estimate) search() { e.gain, e.need = mostGain, stepAfter }

// exploring reports whether requests go beyond the published allowance.
func (e *estimate) exploring() bool { return e.phase == published && e.round > 0 }

// explore begins to let requests go beyond the published allowance.
func (e *estimate) explore() {
	e.round = int(1.5*margin(e.template.burst)) + 2 // more than the margin hides
	e.extra = e.round
}

// explored ends a round of which all requests were admitted.
func (e *estimate) explored() {
	e.beyond += e.round
	if e.round >= unlimitedAt {
		e.phase = unlimited
		return
	}
	e.round = min(3*e.round, int(e.burst+float64(e.beyond))/roundPart)
	e.extra = e.round
}

// refuse records a refused request. It reports whether the request is the first
// of its round: what was sent before the round began says nothing new.
func (e *estimate) refuse(now, sent time.Time) bool {
	if e.first.IsZero() || sent.Before(e.first) {
		e.first = sent
	}
	if sent.After(e.last) {
		e.last = sent
	}
	e.due = true
	if sent.Before(e.cut) {
		return false
	}
	e.cut = now
	return true
}

// judge learns from a round of refusals, when all its requests were answered. It
// reports whether there was one.
func (e *estimate) judge(now time.Time) bool {
	if !e.due {
		return false
	}
	slices.SortFunc(e.admitted, time.Time.Compare)
	n := e.until(e.last)
	e.blocked = n == 0 && !e.rested
	switch {
	case e.blocked: // an outage says nothing of the rate
	case e.rested:
		e.firstRefusal(now)
	default:
		e.refit(float64(n), now)
	}
	e.phase = learned
	e.isFull(e.last)
	return true
}

// until returns how many requests were admitted of those sent up to a time.
func (v *sample) until(t time.Time) int {
	n, _ := slices.BinarySearchFunc(v.admitted, t.Add(1), time.Time.Compare)
	return n
}

// firstRefusal learns the burst: it is no more than what was admitted after the
// rest. The rate is not known, and is looked for.
func (e *estimate) firstRefusal(now time.Time) {
	n := e.until(e.first)
	e.filled = float64(n)
	begin := e.mark
	if n > 0 {
		begin = e.admitted[0]
	}
	// The published rate lets requests through meanwhile: the more, the longer answers take.
	meanwhile := e.template.rate * e.first.Sub(begin).Seconds()
	e.asExpected = e.phase == published && e.filled >= e.burst && e.filled <= e.burst+float64(2*e.round+1)+meanwhile
	e.resize(min(e.filled, e.size))
	e.lo, e.hi = 0, math.Inf(1)
	rate := e.rate
	if since := e.admitted[n:]; len(since) >= fewSince {
		// The bucket has been full since the first refusal, so that only the
		// rate let these through.
		rate = max(rate, float64(len(since)-2)/max(since[len(since)-1].Sub(e.first).Seconds(), 0.1))
	}
	e.set(rate, now)
	e.search()
}

// refit learns the rate from the n requests that were admitted between two
// refusals, and with it the burst.
func (e *estimate) refit(n float64, now time.Time) {
	lo, hi, fits := e.fit()
	doubted := e.doubt
	e.doubt = false
	switch {
	case fits:
		lo, hi = max(lo, e.lo), min(hi, e.hi)
	case !doubted && !math.IsInf(e.hi, 1) && n <= 2*e.size:
		// If the rate was known, so few requests contradict the burst first.
		e.doubt = true
		e.resize(min(e.size, n))
		lo, hi = e.lo, e.hi
	default:
		if lo, hi = e.replay(e.size); lo <= hi {
			break // the server's rate has changed
		}
		// No bucket explains all. What was admitted is certain, and the refusal
		// is due to the burst.
		if lo > 1.05*e.rate {
			e.resize(1.25*e.size + 1)
		} else {
			e.resize(0.8 * e.size)
		}
		lo = min(lo, e.rate)
		hi = lo
	}
	e.lo, e.hi = lo, hi
	if hi > e.rate {
		hi = max(lo, e.rate)
	}
	wrong := 1 / (n + 1)
	part := max((hi-lo)/hi, wrong)           // the rate may be wrong by this part
	e.set(min(below*(lo+hi)/2, e.rate), now) // a refusal never raises the rate
	e.gain, e.need = min(part/2, mostGain), max(stepAfter, min(2/part, e.rate*longRest.Seconds()))
	off := max(0.1, 2*wrong)
	e.asExpected = e.asExpected && lo <= e.template.rate*(1+off) && hi >= e.template.rate*(1-off)
	if e.asExpected && wrong <= surePart { // the published rate is more exact than the measured one
		e.set(e.template.rate*rateMargin, now)
		e.gain, e.need = leastGain, e.rate*longRest.Seconds()
	}
}

// fit finds a size of the server's bucket, near the one believed, for which some
// rate explains all that was admitted and refused, and is possible so far.
func (e *estimate) fit() (lo, hi float64, fits bool) {
	most := max(e.filled, e.size) + 2
	for _, part := range []float64{1, 0.9, 1.1, 0.8, 1.25, 0.6, 1.6, 1 + 2/e.size} {
		size := min(max(1, part*e.size), most)
		if lo, hi = e.replay(size); lo <= hi && lo <= e.hi && hi >= e.lo {
			if e.until(e.last) < fewSince { // one request more at once explains as much
				lo, _ = e.replay(size + 1)
			}
			e.resize(size)
			return lo, hi, true
		}
	}
	return 0, 0, false
}

// replay returns the rates between which the server's must be if it admits size
// requests at once after a rest: with a lower rate it would have refused a request
// that it admitted, and with a higher one admitted the last that it refused.
func (v *sample) replay(size float64) (lo, hi float64) {
	run := func(rate, room float64) (least, left float64) {
		at := v.mark
		for _, sent := range v.admitted[:v.until(v.last)] {
			room = min(size, room+rate*sent.Sub(at).Seconds()) - 1
			least, room = min(least, room), max(room, 0)
			at = sent
		}
		return least, min(size, room+rate*v.last.Sub(at).Seconds())
	}
	lo = bisect(func(rate float64) bool { least, _ := run(rate, min(v.high, size)); return least < 0 })
	hi = bisect(func(rate float64) bool { _, left := run(rate, v.low); return left < 1 })
	return lo, hi
}

// bisect returns the greatest rate for which f holds. If f holds for a rate, it
// holds for all below.
func bisect(f func(rate float64) bool) float64 {
	lo, hi := leastRate/2, 1e5
	for hi > lo*1.001 {
		if mid := math.Sqrt(lo * hi); f(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

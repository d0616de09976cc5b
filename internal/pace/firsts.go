// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"math/rand/v2"
	"time"
)

// Firsts is evidence that a server refuses a class of requests not for their
// number: each is refused the first time, and admitted when it comes back. A
// proxy is like that which fetches what it is asked for and asks its clients to
// wait meanwhile. Then a refusal is for its request alone: stopping the class
// would let one after another wait, and the rate is not to blame.
//
// A limit looks different: it admits whatever comes in time, first or not.
type firsts struct {
	on       bool
	first    tally // requests that had not been refused before
	returned tally // requests that had
}

// A tally counts what came of requests.
type tally struct{ admitted, refused int }

// firstsProof is how many requests have to be refused the first time, and
// firstsDoubt which part of either tally may be otherwise.
const (
	firstsProof = 4
	firstsDoubt = 8
)

// count takes in what came of a request that was refused so often before.
func (e *firsts) count(before int, refused bool) {
	t := &e.first
	if before > 0 {
		t = &e.returned
	}
	if refused {
		t.refused++
	} else {
		t.admitted++
	}
}

// holds tells whether the evidence is as it has to be. It need not be much when
// another class of the host has been found to be so.
func (e *firsts) holds(elsewhere bool) bool {
	enough := elsewhere || e.first.refused >= firstsProof && e.returned.admitted > 0
	return enough && e.first.admitted*firstsDoubt <= e.first.refused && e.returned.refused*firstsDoubt <= e.returned.admitted
}

// alone takes in what came of the request of s. It tells whether a refusal is
// for its request alone.
func (h *host) alone(s *slot, refused bool, now time.Time) bool {
	f := s.flow
	f.firsts.count(s.job.refused+s.job.down, refused)
	elsewhere := false
	for _, other := range h.flows {
		elsewhere = elsewhere || other != f && other.firsts.on
	}
	was := f.firsts.on
	f.firsts.on = f.firsts.holds(elsewhere)
	if f.firsts.on && !was {
		h.reopen(f, now)
	}
	return f.firsts.on
}

// reopen forgets what refusals taught about a class that were not for it. Those
// that were refused and wait for their time are sent back to wait for it alone.
func (h *host) reopen(f *flow, now time.Time) {
	f.gate = gate{}
	if f.budget != nil && f.refused > 0 {
		f.budget = h.budget(f.class)
	}
	for _, j := range f.queue.all() {
		if wait := j.due.Sub(now); wait > 0 {
			f.queue.remove(j)
			j.turn <- turn{wait: wait}
		}
	}
}

// postpone notes when a request that was refused may come back, should the
// refusal be for it alone, and returns how long that is.
func (j *job) postpone(r *refusal, now time.Time) time.Duration {
	wait := min(max(r.after, backoffMin)+rand.N(backoffMin/4), j.o.MaxWait)
	j.due = now.Add(wait)
	return wait
}

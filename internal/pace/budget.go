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
	// holdUp is how long limits alone have to hold requests back before
	// another connection is worth its cost.
	holdUp = 200 * time.Millisecond
	// backlog is how many seconds the requests that wait would take, at least,
	// for the same.
	backlog = 0.5
)

// A budget is what a class of requests may send: a limit for each connection it
// uses, or a single one when the server counts by address. A trial tells which
// it is.
type budget struct {
	limits []*limit  // the first is always there
	most   int       // connections it may use
	held   time.Time // since when limits alone hold requests back; zero: they do not

	scope scope
	trial *trial // nil: none is on
	vague bool   // one failed, at a rate that was not known well
}

// pick finds the connection for the next request, a listing or not, among those
// that are usable, or returns -1 and how long it takes until a limit lets it go.
func (b *budget) pick(now time.Time, listing bool, usable func(i int) bool) (best int, wait time.Duration) {
	b.judge(now)
	best, wait = -1, never
	blocked := true
	for i, l := range b.limits {
		if !usable(i) {
			continue
		}
		blocked = false
		d := l.wait(now, listing)
		wait = min(wait, d)
		if d == 0 && (best < 0 || l.level > b.limits[best].level) {
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
		b.hold(now)
	}
	if d := holdUp - now.Sub(b.held); d > 0 {
		wait = min(wait, d)
	}
	return -1, wait
}

// open tells whether no limit has shown.
func (b *budget) open() bool { return b.limits[0].phase == open }

// judge learns from refusals whose round is over.
func (b *budget) judge(now time.Time) {
	for _, l := range b.limits {
		if l.judge(now) && len(b.limits) > 1 {
			b.merge(byAddress, now, now) // it was no allowance of its own
			first := b.limits[0]
			first.search(first.rate, now)
			return
		}
	}
	if b.trial != nil && now.After(b.trial.deadline) {
		b.conclude(byAddress)
	}
}

// hold takes in that limits alone hold requests back.
func (b *budget) hold(now time.Time) {
	b.held = now
	if b.trial != nil {
		b.trial.restart(now)
	}
}

// release takes in that something else does, or that there are no requests.
func (b *budget) release() { b.held = time.Time{} }

// grow takes more connections into use if that is worth while, with so many
// requests waiting, and tells whether it did.
func (b *budget) grow(now time.Time, waiting int) bool {
	first := b.limits[0]
	switch {
	case len(b.limits) >= b.most || b.trial != nil || !first.known(b.part()):
		return false
	case b.held.IsZero() || now.Sub(b.held) < holdUp || float64(waiting) < backlog*b.rate():
		return false
	case b.scope == unknown:
		second := first.copy(now)
		second.burst = max(1, second.burst/2) // it may be wrong, and a refusal would be misread
		second.level, second.rest = second.burst/4, now.Add(longRest)
		b.trial = newTrial(first, now)
		b.limits = append(b.limits, second)
		return true
	}
	before := len(b.limits)
	for b.scope == byConnection && len(b.limits) < b.most {
		b.limits = append(b.limits, first.copy(now))
	}
	return len(b.limits) > before
}

// widen takes one more connection into use where no limit has shown, and tells
// whether it did.
func (b *budget) widen(now time.Time) bool {
	if len(b.limits) >= b.most || !b.open() {
		return false
	}
	b.limits = append(b.limits, b.limits[0].copy(now))
	return true
}

// answered takes in that a request under l was admitted, or that nothing came
// of it.
func (b *budget) answered(l *limit, sent time.Time, admitted bool) {
	l.answered(sent, admitted)
	if b.trial == nil || !admitted || !b.trial.admit(sent) {
		return
	}
	last := b.limits[len(b.limits)-1]
	last.burst = b.limits[0].burst
	last.level = max(last.level, last.burst-b.trial.size())
	b.conclude(byConnection)
}

// refuse takes in a refusal of a request under l, and tells whether it was the
// first of its round.
func (b *budget) refuse(l *limit, now, sent time.Time) bool {
	if b.scope == unknown && b.trial == nil {
		b.limits = b.limits[:1] // one is enough to learn with
	}
	first := l.refuse(now, sent)
	switch {
	case b.trial == nil || sent.Before(b.trial.began):
	case b.trial.passed(sent):
		b.conclude(byConnection)
	case !b.vague && !b.limits[0].known(surePart):
		b.vague = true // once more, when it is
		b.merge(unknown, now, sent)
	default:
		b.merge(byAddress, now, sent)
	}
	return first
}

// part is by which part of it a rate may be wrong for a trial to begin.
func (b *budget) part() float64 {
	if b.vague {
		return surePart
	}
	return goodPart
}

// renew takes in that the server closed connection i, and a new one took its
// place. It has an allowance of its own unless the server counts by address.
func (b *budget) renew(i int, now time.Time) {
	if i >= len(b.limits) {
		return
	}
	l := b.limits[i]
	switch {
	case b.scope == byConnection:
		l.refresh(now)
	case b.scope == unknown && b.trial == nil && !b.held.IsZero() && l.known(b.part()):
		b.trial = newTrial(l, now)
		if size := b.trial.size(); size < l.burst {
			l.level += size
		} else {
			b.conclude(unknown) // it would not fit
		}
	}
}

// merge takes in that the connections share an allowance, as far as the scope is
// certain. The server's bucket was full when a request that was refused was sent.
func (b *budget) merge(s scope, now, sent time.Time) {
	b.conclude(s)
	b.limits = b.limits[:1]
	b.limits[0].rebase(now, sent)
}

// confine takes in that there can be no more than one connection.
func (b *budget) confine() {
	b.conclude(b.scope)
	b.most, b.limits = 1, b.limits[:1]
}

// conclude ends a trial, if one is on.
func (b *budget) conclude(s scope) {
	b.scope, b.trial = s, nil
	for _, l := range b.limits {
		l.thaw()
	}
}

// rate is what the limits admit in all, in requests a second.
func (b *budget) rate() float64 {
	var sum float64
	for _, l := range b.limits {
		sum += l.rate
	}
	return sum
}

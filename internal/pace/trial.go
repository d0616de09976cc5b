// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// A second allowance is believed when more was admitted than one explains, by
// trialSize requests and what a server admits in trialTime: requests do not
// arrive in the intervals they were sent in.
const (
	trialSize = 5
	trialTime = 0.1 // seconds
)

// A trial finds out whether a server counts requests by connection, on a second
// connection or on one that replaced the first: it is given more requests than
// one allowance explains. The trial is over when they have all been admitted,
// or with the first refusal.
type trial struct {
	limit    *limit // the allowance there is for certain
	began    time.Time
	deadline time.Time
	rate     float64 // that one allowance explains, at most
	credit   float64 // how many more one allowance has at first
	admitted float64 // requests sent since it began
}

// newTrial begins a trial beside l, which slows down a little for it: what is
// refused then is not refused because of l.
func newTrial(l *limit, now time.Time) *trial {
	t := &trial{limit: l, rate: l.highest()}
	l.freeze()
	t.restart(now)
	return t
}

// restart begins again: for a time limits were not what held requests back.
func (t *trial) restart(now time.Time) {
	t.began, t.admitted = now, 0
	t.credit = t.limit.credit(now)
	t.deadline = now.Add(time.Second + seconds(4*t.size()/t.rate))
}

// size is how many requests more than an allowance admits in the meantime have
// to be admitted.
func (t *trial) size() float64 { return t.credit + trialSize + trialTime*t.rate }

// admit counts a request that was admitted, and tells whether they are enough.
func (t *trial) admit(sent time.Time) bool {
	if sent.Before(t.began) {
		return false
	}
	t.admitted++
	return t.admitted >= t.size()+t.rate*sent.Sub(t.began).Seconds()
}

// passed tells, when a request is refused, whether more were admitted before
// than one allowance explains, if not by as many as the trial asks for.
func (t *trial) passed(sent time.Time) bool {
	return t.admitted > t.credit+t.rate*sent.Sub(t.began).Seconds()+trialSize
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// trialSize is how many requests have to be admitted beyond what one allowance
// explains, before it is believed that there are two.
const trialSize = 20

// A trial finds out whether a server counts requests by connection, on a second
// connection or on one that replaced the first: it is given more requests than
// one allowance explains. The trial is over when they have all been admitted,
// or with the first refusal.
type trial struct {
	began    time.Time
	deadline time.Time
	rate     float64 // that one allowance explains
	size     float64 // how many requests more it takes
	admitted float64 // requests sent since it began
}

// newTrial begins a trial beside l, and slows l down a little for it: what is
// refused then is not refused because of l.
func newTrial(l *limit, now time.Time) *trial {
	l.freeze()
	t := &trial{rate: l.rate, size: trialSize + max(l.level, 0) + l.slack(now)}
	t.restart(now)
	return t
}

// restart begins again: for a time limits were not what held requests back.
func (t *trial) restart(now time.Time) {
	t.began, t.admitted = now, 0
	t.deadline = now.Add(time.Second + seconds(3*t.size/t.rate))
}

// admit counts a request that was admitted, and tells whether they are enough.
func (t *trial) admit(sent time.Time) bool {
	if sent.Before(t.began) {
		return false
	}
	t.admitted++
	return t.admitted >= t.size+t.rate*sent.Sub(t.began).Seconds()
}

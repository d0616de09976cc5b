// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"math"
	"net/http"
	"time"
)

// never is a wait that only an event ends.
const never = time.Duration(math.MaxInt64)

// A flow is one class of requests to a host: those that wait, and what holds
// them back. Each question is answered in one place: may anything go now
// (gate), is too much on its way already (window), has the server's allowance
// room (budget).
type flow struct {
	class  class
	queue  queue
	gate   gate
	window window
	budget *budget // nil until the first answer tells the protocol

	inflight   int // requests sent and not done with
	unanswered int // of these, those that no answer has begun to
	long       int // of these, those whose long bodies are being read
	listings   int // of these, listings

	good     bool      // a request was answered with a status below 400
	controls []control // one of each kind: see own.go

	sent, refused int64
}

// next returns the request that may go now, and on which lane; or nil and how
// long to wait.
func (f *flow) next(now time.Time, usable func(lane int, listing bool) bool) (*job, int, time.Duration) {
	j := f.queue.head()
	if j == nil {
		f.release()
		return nil, 0, never
	}
	if d := f.gate.wait(now, f.unanswered); d > 0 {
		return nil, 0, d
	}
	if !f.window.admits(f.counted(j)) {
		f.release()
		return nil, 0, never
	}
	if f.budget == nil {
		if !usable(0, j.kind.listing) {
			return nil, 0, never
		}
		return j, 0, 0
	}
	if f.budget.phase == unlimited {
		if d := f.window.space(j.kind, now); d > 0 {
			return nil, 0, d
		}
	}
	lane, wait := f.budget.pick(now, j.kind.listing, func(lane int) bool { return usable(lane, j.kind.listing) })
	if lane < 0 {
		return nil, 0, wait
	}
	return j, lane, 0
}

// counted is how many requests count against the window, for the next one. A
// listing has a place of its own beside it, since its pages come one after the
// other and bring the work of all others; unless requests are to go alone.
func (f *flow) counted(next *job) int {
	n := f.inflight - f.long
	if next.kind.listing && f.listings == 0 && f.window.size > 1 {
		n--
	}
	return n
}

// release takes in that it is not the budget that holds requests back.
func (f *flow) release() {
	if f.budget != nil {
		f.budget.release()
	}
}

// width is how many connections the flow uses.
func (f *flow) width() int {
	if f.budget == nil {
		return 1
	}
	return len(f.budget.buckets)
}

// grow makes it use more if that is worth while, and tells whether it was. A
// flow is full when its connections carry as much as they can.
func (f *flow) grow(now time.Time, full bool) bool {
	return f.budget != nil && (f.budget.grow(now, f.queue.len()) || full && f.budget.widen(now))
}

// renew takes in that a lane has a new connection.
func (f *flow) renew(lane int, now time.Time) {
	if f.budget != nil {
		f.budget.renew(lane, now)
	}
}

// confine takes in that there can be no more than one connection.
func (f *flow) confine() {
	if f.budget != nil {
		f.budget.confine()
	}
}

// A slot is the leave to send one request. It is held until the request's
// answer has been read, or given up.
type slot struct {
	flow     *flow
	job      *job
	lane     *lane
	link     *link
	index    int    // of the lane
	limited  bool   // it was sent under a budget
	dial     dialer // not nil: the holder makes the link's connection first
	warmup   bool   // it is alone on the lane
	epoch    int    // of the window
	sent     time.Time
	answered bool
	control  *http.Request           // sent in the job's place
	cancel   context.CancelCauseFunc // of the attempt; nil before it begins
	loaded   bool                    // long bodies were on their way when it was sent
	long     bool                    // its own is one
}

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

// A classQueue is one class of requests to a host: those that wait, and what holds
// them back. Each question is answered in one place: may anything go now (gate), is
// too much in flight (window), does the server's allowance permit it (budget).
type classQueue struct {
	class  class
	queue  queue
	gate   gate
	window window
	budget *budget // nil until the first answer shows the protocol

	inflight   int // requests sent and not done with
	unanswered int // of these, without an answer
	long       int // of these, with a long body that is being read
	listings   int // of these, listings

	good     bool      // a request was answered with a status below 400
	controls []control // one of each kind: see control.go

	sent, refused int64
}

// next returns the request that may go now and its connection, or nil and how long to
// wait.
func (f *classQueue) next(now time.Time, usable func(connSlot int, listing bool) bool) (*job, int, time.Duration) {
	j := f.queue.head()
	if j == nil {
		f.budget.release()
		return nil, 0, never
	}
	if d := f.gate.wait(now, f.unanswered); d > 0 {
		return nil, 0, d
	}
	if !f.window.admits(f.counted(j)) {
		f.budget.release()
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
	connSlot, wait := f.budget.pick(now, j.kind.listing, func(connSlot int) bool { return usable(connSlot, j.kind.listing) })
	if connSlot < 0 {
		return nil, 0, wait
	}
	return j, connSlot, 0
}

// counted returns how many requests count against the window. A listing has a place
// beside the window, because its pages come one after another and bring the work of
// all others; unless requests go one at a time.
func (f *classQueue) counted(next *job) int {
	n := f.inflight - f.long
	if next.kind.listing && f.listings == 0 && f.window.size > 1 {
		n--
	}
	return n
}

// width returns how many connections the class uses.
func (f *classQueue) width() int {
	if f.budget == nil {
		return 1
	}
	return len(f.budget.buckets)
}

// A slot is the permit to send one request. It is held until the answer has been read
// or given up.
type slot struct {
	classQueue *classQueue
	job        *job
	connSlot   *connSlot
	conn       *conn
	index      int    // of the connection
	limited    bool   // it was sent under a budget
	dial       dialer // not nil: the holder makes the connection first
	warmup     bool   // no other request is on the connection
	epoch      int    // of the window
	sent       time.Time
	answered   bool
	control    *http.Request           // is sent in place of the job's request
	cancel     context.CancelCauseFunc // of the attempt; nil before it begins
	loaded     bool                    // long bodies were being read when it was sent
	long       bool                    // its own body is long
}

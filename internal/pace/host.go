// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A host is everything known about one server: its connections, and a queue for each
// class of requests. One mutex guards it. The goroutine that brought a request sends
// it, after dispatch has granted a slot. dispatch runs when a request arrives, is
// answered or done, and on a timer.
type host struct {
	o       *Options
	address string // host, or host:port
	name    string // without the port
	log     *slog.Logger

	mu          sync.Mutex
	dial        dialer // nil: the base keeps its own connections
	major       int    // of the protocol in use; 0 until the first answer
	proto       string
	room        int // requests a connection carries at once
	classQueues []*classQueue
	connSlots   []*connSlot
	shared      *budget // of all classes, when the user chose a rate
	timer       *time.Timer
	rings       time.Time    // when the timer fires; zero: it is not set
	closing     []clientConn // to be closed outside the mutex

	outage outage
	alive  atomic.Int64   // when the host last gave a sign of life, in Unix nanoseconds
	fed    atomic.Int64   // and when bytes of a body last were that sign
	open   map[*slot]bool // requests without an answer

	lists   bool // there was a listing: one place is kept for its next page
	long    int  // long bodies that are being read
	jobs    int  // so far
	dials   int
	retries int64
	seed    maphash.Seed
	blamed  map[uint64]bool // fingerprints of credentials that caused a 500
}

func newHost(o *Options, u *url.URL) *host {
	h := &host{
		o: o, address: u.Host, name: u.Hostname(), log: o.Logger,
		dial: o.dialer(u), connSlots: []*connSlot{{}},
		seed: maphash.MakeSeed(), blamed: map[uint64]bool{}, open: map[*slot]bool{},
	}
	h.timer = time.AfterFunc(time.Hour, h.tick)
	h.timer.Stop()
	if h.dial == nil {
		h.usePool()
	}
	return h
}

// usePool leaves the connections to the base.
func (h *host) usePool() {
	p := &pool{base: h.o.Base, dialed: h.countDial}
	h.dial = nil
	h.connSlots = []*connSlot{{conn: &conn{client: p, room: connWindow, worked: true}, used: time.Now()}}
}

func (h *host) tick() {
	h.mu.Lock()
	defer h.unlock()
	h.rings = time.Time{}
	h.dispatch()
}

// unlock releases the mutex, and closes what is to be closed.
func (h *host) unlock() {
	closing := h.closing
	h.closing = nil
	h.mu.Unlock()
	for _, c := range closing {
		_ = c.Close() // no request is left on it
	}
}

// acquire waits until j may be sent. A grant without a slot says why not.
func (h *host) acquire(ctx context.Context, j *job) grant {
	j.granted = make(chan grant, 1)
	h.mu.Lock()
	f := h.classQueue(j.class)
	if failed := j.down + j.broken; j.number == 0 || j.refused > 1 || failed > 0 && failed%fewTries == 0 {
		// A request that is refused or fails again and again goes behind the
		// others: the trouble may be its own.
		h.jobs++
		j.number = h.jobs
	}
	h.lists = h.lists || j.kind.listing
	f.queue.push(j)
	h.dispatch()
	h.unlock()

	select {
	case t := <-j.granted:
		return t
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.unlock()
	if !f.queue.remove(j) { // it was granted a slot at the same time
		if t := <-j.granted; t.slot != nil {
			h.drop(t.slot)
		}
	}
	h.dispatch()
	return grant{err: ctx.Err()}
}

// classQueue returns the queue of a class.
func (h *host) classQueue(c class) *classQueue {
	for _, f := range h.classQueues {
		if f.class == c {
			return f
		}
	}
	f := &classQueue{class: c, window: newWindow(h.mostInFlight())}
	f.gate.random, f.queue.random = h.o.random, h.o.random
	if h.major > 0 { // the connection is warm
		f.budget = h.budget(c)
		f.window.size = firstWindow
		for _, other := range h.classQueues { // the server is known to take so many
			f.window.size = min(max(f.window.size, other.window.size), connWindow)
		}
	}
	h.classQueues = append(h.classQueues, f)
	return f
}

// mostInFlight is how many requests of a class may be in flight at once. Over
// HTTP/1.1 each takes a connection.
func (h *host) mostInFlight() int {
	if h.major == 1 {
		return h.o.Connections * h1PerConnection
	}
	return h.o.Connections * connWindow
}

// dispatch sends what may be sent, and sets the timer for what may be later.
func (h *host) dispatch() {
	now, wait := time.Now(), never
	h.trim(now)
	wait = h.expire(now)
	for _, f := range h.classQueues {
		wait = min(wait, h.drive(f, now))
	}
	if len(h.classQueues) > 1 { // no class is always the first
		h.classQueues = append(h.classQueues[1:], h.classQueues[0])
	}
	h.wake(now, wait)
}

// wake sets the timer. A spurious wake-up is harmless; resetting the timer for each
// request is measurably slow.
func (h *host) wake(now time.Time, wait time.Duration) {
	if wait == never || !h.rings.IsZero() && h.rings.Sub(now) == wait {
		return
	}
	h.rings = now.Add(wait)
	h.timer.Reset(wait)
}

// drive sends what a class may send, and returns how long until it may send more.
func (h *host) drive(f *classQueue, now time.Time) time.Duration {
	if f.queue.length() > 0 && f.gate.hopeless(now, h.o.MaxElapsed) {
		h.clear(f, grant{refusal: f.gate.last})
	}
	f.queue.anyone = h.outage.shut && h.outage.rounds%2 == 1
	usable := func(connSlot int, listing bool) bool { return h.connSlot(connSlot).usable(listing || !h.lists) }
	for {
		if d := h.outage.wait(now); d > 0 {
			return d
		}
		j, i, wait := f.next(now, usable)
		switch {
		case j != nil && h.connSlot(i).gone():
			h.retire(i, now)
		case j != nil:
			f.queue.remove(j)
			j.granted <- grant{slot: h.send(f, j, i, now)}
		case f.budget.grow(now, f.queue.length(), h.full(f)):
			h.log.Debug("another connection", "host", h.address, "class", f.class.String(), "connections", f.width())
		default:
			return wait
		}
	}
}

// send returns a slot for j on connection i.
func (h *host) send(f *classQueue, j *job, i int, now time.Time) *slot {
	s := &slot{classQueue: f, job: j, connSlot: h.connSlot(i), index: i, sent: now, epoch: f.window.epoch, loaded: h.long > 0}
	var dial bool
	if s.conn, dial = s.connSlot.take(now); dial {
		s.dial = h.dial
	}
	s.warmup = s.connSlot.warming
	if len(h.open) == 0 && h.outage.began.IsZero() {
		h.progress() // there was nothing to answer before: that was no silence
		if !slices.ContainsFunc(h.classQueues, func(f *classQueue) bool { return f.inflight > 0 }) {
			h.fed.Store(h.alive.Load()) // and no body to come
		}
	}
	h.open[s] = true
	if h.outage.shut {
		h.outage.probe = s
	}
	if f.budget != nil {
		s.limited = true
		f.budget.take(i, now)
	}
	f.window.sent()
	f.inflight++
	f.unanswered++
	if j.kind.listing {
		f.listings++
	}
	f.sent++
	if j.attempts > 0 {
		h.retries++
	}
	return s
}

// clear gives all waiting requests of a class the same grant.
func (h *host) clear(f *classQueue, t grant) {
	for j := f.queue.head(); j != nil; j = f.queue.head() {
		f.queue.remove(j)
		j.granted <- t
	}
}

// connSlot returns connection slot i, and creates it if needed.
func (h *host) connSlot(i int) *connSlot {
	for len(h.connSlots) <= i {
		h.connSlots = append(h.connSlots, &connSlot{})
	}
	return h.connSlots[i]
}

// full reports whether all connections of a class carry as much as they can.
func (h *host) full(f *classQueue) bool {
	for i := range f.width() {
		if l := h.connSlot(i).conn; l == nil || l.client == nil || l.takes(!h.lists) {
			return false
		}
	}
	return true
}

// trim retires the connections that no class uses any more.
func (h *host) trim(now time.Time) {
	wanted := 1
	for _, f := range h.classQueues {
		wanted = max(wanted, f.width())
	}
	for i := wanted; i < len(h.connSlots); i++ {
		h.retire(i, now)
	}
}

// retire takes the connection of slot i out of use.
func (h *host) retire(i int, now time.Time) {
	n := h.connSlots[i]
	if n.conn == nil {
		return
	}
	h.abandon(n.conn)
	n.conn = nil
	for _, f := range h.classQueues {
		f.budget.renew(i, now)
	}
}

// abandon closes a connection as soon as no request is on it.
func (h *host) abandon(l *conn) {
	l.retired = true
	if l.inflight == 0 && l.client != nil {
		h.closing = append(h.closing, l.client)
	}
}

// closeIdle closes the connections that carry no request.
func (h *host) closeIdle() {
	h.mu.Lock()
	defer h.unlock()
	for _, n := range h.connSlots {
		if h.dial != nil && n.conn != nil && n.conn.inflight == 0 {
			h.abandon(n.conn)
			n.conn = nil
		}
	}
}

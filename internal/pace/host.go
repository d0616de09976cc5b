// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// A host is everything known about one server: the lanes, which all requests
// share, and a flow for each class of them. One mutex guards it. Requests are
// sent by the goroutines that brought them, when dispatch lets them: it runs
// when a request arrives, when one is answered or done, and on a timer.
type host struct {
	o       *Options
	address string // host, or host:port
	name    string // without the port
	log     *slog.Logger

	mu      sync.Mutex
	dial    dialer // nil: the base keeps its own connections
	major   int    // of the protocol in use; 0 until the first answer
	proto   string
	room    int // requests a connection carries at once
	flows   []*flow
	lanes   []*lane
	shared  *budget // of all classes, when the user chose a rate
	timer   *time.Timer
	rings   time.Time // when the timer does; zero: it is not set
	closing []conn    // to be closed outside the mutex

	outage outage
	alive  atomic.Int64   // when the host last gave a sign of life, in Unix nanoseconds
	fed    atomic.Int64   // and when bytes of a body last were that sign
	open   map[*slot]bool // requests without an answer

	lists   bool // there was a listing: a place is kept for its next page
	long    int  // bodies of some size that are being read
	jobs    int  // so far
	dials   int
	retries int64
	seed    maphash.Seed
	blamed  map[uint64]bool // fingerprints of credentials that a 500 was for alone
}

func newHost(o *Options, u *url.URL) *host {
	h := &host{
		o: o, address: u.Host, name: u.Hostname(), log: o.Logger,
		dial: o.dialer(u), lanes: []*lane{{}},
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
	h.lanes = []*lane{{link: &link{conn: p, room: connWindow, worked: true}, used: time.Now()}}
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
		_ = c.Close() // nothing is on it any more
	}
}

// acquire waits until j may be sent. Without a slot the turn tells why.
func (h *host) acquire(ctx context.Context, j *job) turn {
	j.turn = make(chan turn, 1)
	h.mu.Lock()
	f := h.flow(j.class)
	if failed := j.down + j.broken; j.number == 0 || j.refused > 1 || failed > 0 && failed%fewTries == 0 {
		// One that is refused or fails again and again goes behind the others:
		// it may be the only one.
		h.jobs++
		j.number = h.jobs
	}
	h.lists = h.lists || j.kind.listing
	f.queue.push(j)
	h.dispatch()
	h.unlock()

	select {
	case t := <-j.turn:
		return t
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.unlock()
	if !f.queue.remove(j) { // its turn came at the same time
		if t := <-j.turn; t.slot != nil {
			h.drop(t.slot)
		}
	}
	h.dispatch()
	return turn{err: ctx.Err()}
}

// flow returns the flow of a class.
func (h *host) flow(c class) *flow {
	for _, f := range h.flows {
		if f.class == c {
			return f
		}
	}
	f := &flow{class: c, window: newWindow(h.mostInFlight())}
	f.gate.random, f.queue.random = h.o.random, h.o.random
	if h.major > 0 { // the connection is warm
		f.budget = h.budget(c)
		f.window.size = firstWindow
		for _, other := range h.flows { // the server is known to take so many
			f.window.size = min(max(f.window.size, other.window.size), connWindow)
		}
	}
	h.flows = append(h.flows, f)
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
	for _, f := range h.flows {
		wait = min(wait, h.drive(f, now))
	}
	if len(h.flows) > 1 { // no class is always the first
		h.flows = append(h.flows[1:], h.flows[0])
	}
	h.wake(now, wait)
}

// wake sets the timer. One that rings for nothing does no harm, and most of the
// time there is none to be set: to do so for each request costs more than it is.
func (h *host) wake(now time.Time, wait time.Duration) {
	if wait == never || !h.rings.IsZero() && h.rings.Sub(now) == wait {
		return
	}
	h.rings = now.Add(wait)
	h.timer.Reset(wait)
}

// drive sends what a flow may send, and returns when to look again.
func (h *host) drive(f *flow, now time.Time) time.Duration {
	if f.queue.len() > 0 && f.gate.hopeless(now, h.o.MaxElapsed) {
		h.clear(f, turn{refusal: f.gate.last})
	}
	f.queue.anyone = h.outage.shut && h.outage.rounds%2 == 1
	usable := func(lane int, listing bool) bool { return h.lane(lane).usable(listing || !h.lists) }
	for {
		if d := h.outage.wait(now); d > 0 {
			return d
		}
		j, i, wait := f.next(now, usable)
		switch {
		case j != nil && h.lane(i).gone():
			h.retire(i, now)
		case j != nil:
			f.queue.remove(j)
			j.turn <- turn{slot: h.send(f, j, i, now)}
		case f.grow(now, h.full(f)):
			h.log.Debug("another connection", "host", h.address, "class", f.class.String(), "connections", f.width())
		default:
			return wait
		}
	}
}

// send gives j a slot on lane i.
func (h *host) send(f *flow, j *job, i int, now time.Time) *slot {
	s := &slot{flow: f, job: j, lane: h.lane(i), index: i, sent: now, epoch: f.window.epoch, loaded: h.long > 0}
	var dial bool
	if s.link, dial = s.lane.take(now); dial {
		s.dial = h.dial
	}
	s.warmup = s.lane.warming
	if len(h.open) == 0 && h.outage.began.IsZero() {
		h.progress() // nothing was asked of it before: that was no silence
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

// clear gives all that wait the same turn.
func (h *host) clear(f *flow, t turn) {
	for j := f.queue.head(); j != nil; j = f.queue.head() {
		f.queue.remove(j)
		j.turn <- t
	}
}

// lane returns lane i, which there is then.
func (h *host) lane(i int) *lane {
	for len(h.lanes) <= i {
		h.lanes = append(h.lanes, &lane{})
	}
	return h.lanes[i]
}

// full tells whether all connections of a flow carry as much as they can.
func (h *host) full(f *flow) bool {
	for i := range f.width() {
		if l := h.lane(i).link; l == nil || l.conn == nil || l.takes(!h.lists) {
			return false
		}
	}
	return true
}

// trim takes connections out of use that no flow wants any more.
func (h *host) trim(now time.Time) {
	wanted := 1
	for _, f := range h.flows {
		wanted = max(wanted, f.width())
	}
	for i := wanted; i < len(h.lanes); i++ {
		h.retire(i, now)
	}
}

// retire takes the connection of lane i out of use, if there is one.
func (h *host) retire(i int, now time.Time) {
	n := h.lanes[i]
	if n.link == nil {
		return
	}
	h.abandon(n.link)
	n.link = nil
	for _, f := range h.flows {
		f.renew(i, now)
	}
}

// abandon lets a connection go as soon as nothing is on it.
func (h *host) abandon(l *link) {
	l.retired = true
	if l.inflight == 0 && l.conn != nil {
		h.closing = append(h.closing, l.conn)
	}
}

// closeIdle closes the lanes' connections that carry nothing.
func (h *host) closeIdle() {
	h.mu.Lock()
	defer h.unlock()
	for _, n := range h.lanes {
		if h.dial != nil && n.link != nil && n.link.inflight == 0 {
			h.abandon(n.link)
			n.link = nil
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"testing"
	"time"
)

// A loop is a server with one worker and a client that keeps its window full.
type loop struct {
	w       window
	work    time.Duration
	latency time.Duration
	now     time.Time
	free    time.Time // when the worker is free
	flight  []flying  // in the order they will be answered
}

type flying struct {
	k          kind
	epoch      int
	sent, done time.Time
}

// step fills the window and takes in the next answer.
func (l *loop) step() {
	for l.w.admits(len(l.flight)) {
		start := l.now.Add(l.latency / 2)
		if l.free.After(start) {
			start = l.free
		}
		l.free = start.Add(l.work)
		k := kind{listing: len(l.w.kinds) == 0}
		l.flight = append(l.flight, flying{k, l.w.epoch, l.now, l.free.Add(l.latency / 2)})
	}
	f := l.flight[0]
	l.flight = l.flight[1:]
	l.now = f.done
	l.w.answered(f.k, f.epoch, l.now.Sub(f.sent), false, l.now)
}

func TestTheWindowFindsTheServersCapacity(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		work, latency time.Duration
		least, most   float64 // in flight, in the end
	}{
		{time.Second / 60, 20 * millisecond, 2, 6}, // 2.2 fill it
		{time.Second / 10, 20 * millisecond, 1, 3},
		{time.Second / 1000, 50 * millisecond, 45, 110},
		{time.Second / 100000, 20 * millisecond, 100, 400}, // no bound that is felt
	} {
		l := &loop{w: newWindow(400), work: c.work, latency: c.latency, now: start, free: start}
		for range 1000 {
			l.step()
		}
		for l.w.saved > 0 {
			l.step()
		}
		if l.w.size < c.least || l.w.size > c.most {
			t.Errorf("work %v, latency %v: %.1f in flight, want %v to %v", c.work, c.latency, l.w.size, c.least, c.most)
		}
	}
}

// TestTheWindowFollowsAServerThatGetsSlower, and one that gets quicker.
func TestTheWindowFollowsAServer(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	l := &loop{w: newWindow(400), work: time.Second / 1000, latency: 20 * millisecond, now: start, free: start}
	for _, c := range []struct {
		perSecond   time.Duration
		latency     time.Duration
		least, most float64
	}{
		{1000, 20 * millisecond, 18, 60},
		{100, 20 * millisecond, 2, 8},
		{1000, 20 * millisecond, 18, 60},
		{1000, 200 * millisecond, 150, 400}, // farther away: it is not the queue
	} {
		l.work, l.latency = time.Second/c.perSecond, c.latency
		for end := l.now.Add(time.Minute); l.now.Before(end) || l.w.saved > 0; {
			l.step()
		}
		if l.w.size < c.least || l.w.size > c.most {
			t.Errorf("%d/s, %v away: %.1f in flight, want %v to %v", c.perSecond, c.latency, l.w.size, c.least, c.most)
		}
	}
}

func TestFailuresHalveTheWindow(t *testing.T) {
	w := newWindow(400)
	w.size, w.slow = 64, true
	epoch := w.epoch
	for range 20 {
		w.failed(epoch) // of one round trip
	}
	if w.size != 32 || w.slow {
		t.Errorf("after failures: %+v", w)
	}
	for range 20 {
		w.failed(w.epoch)
	}
	if w.size != firstWindow {
		t.Errorf("after many: %+v", w)
	}
	w.size = 1 // requests go one at a time to measure the least latency
	if w.failed(w.epoch); w.size != 1 {
		t.Errorf("failures make the window larger: %+v", w)
	}
}

// TestAWindowThatIsNotFullStays: something else holds requests back.
func TestAWindowThatIsNotFullStays(t *testing.T) {
	w := newWindow(400)
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	w.answered(kind{}, w.epoch, 20*millisecond, false, now)
	for i := range 100 {
		w.answered(kind{}, w.epoch, time.Duration(20+i)*millisecond, false, now)
	}
	if w.size != firstWindow {
		t.Errorf("%+v", w)
	}
}

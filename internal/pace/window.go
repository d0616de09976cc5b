// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"math"
	"time"
)

const (
	// firstWindow is the size after the warm-up.
	firstWindow = 4
	// connWindow is how many requests are in flight on a connection at most:
	// nginx admits 128 streams (doc/quay-api.md section 6).
	connWindow = 100

	// A latency is judged by its ratio to the least of its kind. noise is added
	// to the least: a few milliseconds more say nothing.
	noise = 5 * time.Millisecond
	// tolerance is the ratio up to which latency counts as flat, and steep the one that
	// ends slow start.
	tolerance = 1.25
	steep     = 1.5
	// muchLess is the part of a window that is small enough for latency to show
	// whether it is the server's.
	muchLess = 0.8

	// longBody is the size of a body, in bytes, that may fill the network.
	longBody = 256 << 10

	// Requests leave a little faster than answers came without a queue, a few at a
	// time. A page brings a hundred requests; if they leave together their answers
	// come together, and the next page waits behind all of them.
	haste   = 1.25
	bundle  = 4
	spacing = 16 // the least size of a window in which requests are spaced

	fewest  = 4                // answers are needed for a decision
	alone   = 3                // answers are needed to measure the least latency
	renewal = 10 * time.Second // how long a measured least latency is valid
)

// A window bounds how many requests are in flight. It multiplies each round trip
// while latency stays flat, up to what one connection carries. Then it follows
// the gradient of latency:
//
//	size = size * min(1, tolerance * least / now) + half the square root of size
//
// so that a short queue in the server stays. If latency does not fall when the
// window shrinks, requests queue up elsewhere, such as in a client whose machine
// is busy, and the window is restored.
//
// Each decision is taken on answers to requests that were sent after the last one:
// older answers tell of the window before.
type window struct {
	size float64
	most float64 // the size never exceeds it
	slow bool    // slow start: multiplying
	full bool    // requests had to wait for the window since the last decision

	epoch int // decisions so far
	count int // answers to requests of this epoch
	kinds map[kind]*latency

	leave   float64 // tokens of the even spacing, at the time leaving
	leaving time.Time

	loaded   bool      // long bodies were read in this epoch
	measured time.Time // when the least latencies were last confirmed; zero: never
	filling  bool      // the server's queue fills again after measuring
	saved    float64   // the size before measuring them; 0: not measuring

	larger float64 // the size before the last decision, if that made it much smaller; else 0
	worse  float64 // the ratio of latencies then
}

// A latency follows how long the answers to one kind of request take, in
// seconds.
type latency struct {
	sum   float64 // in this epoch
	n     int
	mean  float64 // in the last epoch that had any
	least float64 // mean there ever was
}

func newWindow(most int) window {
	return window{size: 1, most: float64(most), slow: true, kinds: map[kind]*latency{}}
}

// admits reports whether one more request may go when n are in flight.
func (w *window) admits(n int) bool {
	if float64(n) < math.Floor(w.size) {
		return true
	}
	w.full = true
	return false
}

// space returns how long the next request waits so that requests leave evenly.
func (w *window) space(k kind, now time.Time) time.Duration {
	l := w.kinds[k]
	if l == nil || k.listing || w.size < spacing || l.least <= 0 || math.IsInf(l.least, 1) {
		return 0
	}
	rate := haste * w.size / l.least
	w.leave = min(w.leave+rate*now.Sub(w.leaving).Seconds(), bundle)
	w.leaving = now
	if w.leave >= 1 {
		return 0
	}
	return seconds((bundle - w.leave) / rate)
}

// sent records that a request leaves.
func (w *window) sent() { w.leave = max(w.leave-1, 0) }

// answered records an answer that took d, to a request of an epoch. loaded says that
// long bodies were read meanwhile.
func (w *window) answered(k kind, epoch int, d time.Duration, loaded bool, now time.Time) {
	if epoch != w.epoch {
		return
	}
	w.loaded = w.loaded || loaded
	warmup := len(w.kinds) == 0
	l := w.kinds[k]
	if l == nil {
		l = &latency{least: math.Inf(1)}
		w.kinds[k] = l
	}
	l.sum += d.Seconds()
	l.n++
	w.count++
	switch {
	case warmup:
		w.next()
		w.size = max(w.size, firstWindow)
	case w.saved > 0 && w.count >= alone:
		w.restore(now)
	case w.saved == 0 && w.count >= max(fewest, int(w.size/2)):
		w.decide(now)
	}
	w.size = min(max(w.size, 1), w.most)
}

// decide changes the size.
func (w *window) decide(now time.Time) {
	full, loaded, filling := w.full, w.loaded, w.filling
	ratio := w.next()
	larger := w.larger
	w.larger, w.filling = 0, false
	switch {
	case larger > 0 && full && !loaded && ratio > w.worse*(1+w.size/larger)/2:
		// A queue in the server gets shorter as the window does. Latency that
		// does not fall by half of that comes from elsewhere: it is the least
		// one for now.
		w.size = larger
		for _, l := range w.kinds {
			l.least = l.mean
		}
		w.measured = now
	case !full:
		// Something else holds requests back: latency is not our doing.
	case w.slow && ratio <= steep:
		w.double(ratio, now)
	case loaded && (ratio > tolerance || w.measured.IsZero()):
		// Answers are slow because of what we read: the server may be quick.
	case w.measured.IsZero() || ratio > tolerance && now.Sub(w.measured) > renewal:
		w.saved, w.size = w.size, 1
	case ratio > tolerance && w.size == 1:
		w.renew(now) // slow even so: the least latency is not what it was
	default:
		if w.follow(ratio); filling {
			w.larger = 0 // this ratio is too low to compare the next one with
		}
	}
}

// follow sets the size by the gradient of latency.
func (w *window) follow(ratio float64) {
	size := w.size*max(0.5, min(1, tolerance/ratio)) + math.Sqrt(w.size)/2
	if size < muchLess*w.size {
		w.larger, w.worse = w.size, ratio
	}
	w.size, w.slow = size, false
}

// double multiplies the size, while latency stays flat.
func (w *window) double(ratio float64, now time.Time) {
	by := 2.0
	if ratio <= 1 { // growing made no difference
		by = 3
		if w.epoch > 2 { // the first epoch is compared with itself
			w.measured = now
		}
	}
	w.size = min(by*w.size, connWindow)
	w.slow = w.size < connWindow
}

// next begins an epoch. It returns the ratio of the latencies of the one before
// to the least ones.
func (w *window) next() (ratio float64) {
	for _, l := range w.kinds {
		if l.n == 0 {
			continue
		}
		l.mean = l.sum / float64(l.n)
		if l.n > 1 || math.IsInf(l.least, 1) {
			l.least = min(l.least, l.mean)
		}
		ratio += float64(l.n) / float64(w.count) * l.ratio()
		l.sum, l.n = 0, 0
	}
	w.epoch, w.count, w.full, w.loaded = w.epoch+1, 0, false, false
	return ratio
}

func (l *latency) ratio() float64 { return l.mean / (l.least + noise.Seconds()) }

// restore ends the measuring of the least latencies, for which requests went one at a
// time: behind a queue that is always there they cannot be seen.
func (w *window) restore(now time.Time) {
	if w.loaded {
		w.next()
		w.size, w.saved = w.saved, 0 // another time
		return
	}
	queued := map[kind]float64{}
	for k, l := range w.kinds {
		queued[k] = l.mean
	}
	w.renew(now)
	worst := 0.0
	for k, l := range w.kinds {
		worst = max(worst, queued[k]/(l.least+noise.Seconds()))
	}
	w.size, w.saved, w.filling = w.saved, 0, true
	w.follow(worst)
}

// renew makes the latencies of this epoch the least ones.
func (w *window) renew(now time.Time) {
	for _, l := range w.kinds {
		if l.n > 0 {
			l.least = l.sum / float64(l.n)
		}
	}
	w.next()
	w.measured = now
}

// failed records that a server in trouble did not answer a request of an epoch. Fewer
// requests at once give the server room, but no fewer than firstWindow: if everything
// fails, the outage lets requests go one at a time.
func (w *window) failed(epoch int) {
	if epoch != w.epoch {
		return // this failure is already taken into account
	}
	w.next()
	w.size, w.saved = max(max(w.size, w.saved)/2, min(w.size, firstWindow)), 0
	w.slow = w.size <= firstWindow
}

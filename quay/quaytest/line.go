// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"sync"
	"time"
)

// A line serves one thing after another: requests of a busy backend, or
// bytes through a narrow pipe. It keeps no list of who waits: each one is told
// on arrival when its turn will be over, which is exact however late timers
// fire. The zero value is a line without slack.
type line struct {
	slack time.Duration // idle time that may be made up for, as timers fire late
	mu    sync.Mutex
	free  time.Time // when the last one in the line will be done
}

// join takes a place at the end for something that takes cost, and gives the
// time until it will be done.
func (l *line) join(cost time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if idle := now.Add(-l.slack); l.free.Before(idle) {
		l.free = idle
	}
	l.free = l.free.Add(cost)
	return l.free.Sub(now)
}

// A pipe is the bandwidth that all connections share.
type pipe struct {
	line
	rate int64 // bytes a second
}

// newPipe makes a pipe that lets rate bytes a second through.
func newPipe(rate int64) *pipe {
	return &pipe{line: line{slack: 5 * time.Millisecond}, rate: rate}
}

// A narrow writer sends a body through a pipe, piece by piece, so that several
// answers at once each get their share. Headers go through free of charge.
type narrow struct {
	http.ResponseWriter
	pipe *pipe
	wait func(time.Duration) // breaks the answer off when nobody waits for it
}

func (n *narrow) Write(p []byte) (int, error) {
	// A hundredth of a second's worth: fine enough to look steady, and coarse
	// enough for timers.
	piece := int(min(max(n.pipe.rate/100, 1), 32<<10))
	written := 0
	for len(p) > 0 {
		chunk := p[:min(piece, len(p))]
		n.wait(n.pipe.join(time.Duration(float64(len(chunk)) / float64(n.pipe.rate) * float64(time.Second))))
		m, err := n.ResponseWriter.Write(chunk)
		written += m
		if err != nil {
			return written, err
		}
		p = p[len(chunk):]
	}
	return written, nil
}

// Unwrap lets http.ResponseController reach the connection.
func (n *narrow) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// patience is how long nginx waits for the backend, and for more of its answer
// (doc/quay-api.md section 6, proxy_read_timeout).
const patience = 60 * time.Second

// queue lets the request wait for a backend that serves one after another. It
// tells whether the request was served in time, and answers 504 when it was
// not. The backend does not notice that nobody waits for it any more.
func (f *front) queue(w http.ResponseWriter, class string, wait func(time.Duration)) bool {
	if f.backend == nil || class == "storage" {
		return true
	}
	d := f.backend.join(f.cost)
	wait(min(d, patience))
	if d > patience {
		f.fail(w, http.StatusGatewayTimeout)
	}
	return d <= patience
}

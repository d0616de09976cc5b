// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"net/http"
	"sync"
	"time"
)

// A line serves one thing after another: the requests of a busy backend, or the
// bytes in a narrow pipe. It computes on arrival when each will be served, which
// is exact however late timers fire. The zero value is a line without slack.
type line struct {
	slack time.Duration // idle time that may be caught up, since timers fire late
	mu    sync.Mutex
	free  time.Time // when the last in the line will have been served
}

// join adds something that takes cost to the end of the line. It returns the time
// until that will have been served.
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

// newPipe returns a pipe of rate bytes a second.
func newPipe(rate int64) *pipe {
	return &pipe{line: line{slack: 5 * time.Millisecond}, rate: rate}
}

// A narrow writer sends a body through a pipe in small pieces, so that concurrent
// answers share the bandwidth. Headers cost nothing.
type narrow struct {
	http.ResponseWriter
	pipe *pipe
	wait func(time.Duration) // breaks the answer off if the client leaves
}

func (n *narrow) Write(p []byte) (int, error) {
	// The bytes of 10 ms: small enough to look steady, large enough for timers.
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// visits follows a server's connections and requests, so that Close knows
// what is still under way.
type visits struct {
	mu      sync.Mutex
	changed *sync.Cond // with mu
	serial  uint64
	states  map[net.Conn]http.ConnState
	running int // requests inside the handler
}

// newVisits follows nothing yet.
func newVisits() *visits {
	v := &visits{states: map[net.Conn]http.ConnState{}}
	v.changed = sync.NewCond(&v.mu)
	return v
}

// accept numbers a new connection.
func (v *visits) accept(stats *recorder) *connection {
	stats.accepted()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.serial++
	return &connection{serial: v.serial}
}

// note is the server's ConnState hook. An HTTP/2 connection is active as long
// as it has a stream, and one of HTTP/1.1 until its answer is flushed.
func (v *visits) note(c net.Conn, state http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if state == http.StateClosed {
		delete(v.states, c)
	} else {
		v.states[c] = state
	}
	v.changed.Broadcast()
}

// count follows the requests inside a handler.
func (v *visits) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.add(1)
		defer v.add(-1)
		next.ServeHTTP(w, r)
	})
}

// busy gives the connections that carry a request.
func (v *visits) busy() []net.Conn {
	v.mu.Lock()
	defer v.mu.Unlock()
	var conns []net.Conn
	for c, state := range v.states {
		if state == http.StateActive {
			conns = append(conns, c)
		}
	}
	return conns
}

// open tells whether a connection is not closed yet. Its caller has the lock:
// it is for waitUntil.
func (v *visits) open(c net.Conn) bool {
	_, ok := v.states[c]
	return ok
}

// add changes the number of requests inside the handler.
func (v *visits) add(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running += n
	v.changed.Broadcast()
}

// waitUntil returns when done is true, or after limit when that is not 0.
func (v *visits) waitUntil(done func(*visits) bool, limit time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	late := false
	if limit > 0 {
		t := time.AfterFunc(limit, func() {
			v.mu.Lock()
			defer v.mu.Unlock()
			late = true
			v.changed.Broadcast()
		})
		defer t.Stop()
	}
	for !done(v) && !late {
		v.changed.Wait()
	}
}

// panicLog is for an http.Server's errors: it shows a handler's panics and
// drops the rest, which is clients that come and go.
func panicLog() *log.Logger { return log.New(panicWriter{}, "", log.LstdFlags) }

// A panicWriter passes on to standard error what tells of a panic.
type panicWriter struct{}

func (panicWriter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic")) {
		return os.Stderr.Write(p)
	}
	return len(p), nil
}

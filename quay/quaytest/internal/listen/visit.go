// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// visits tracks a server's connections and requests, so that Close knows what is
// still in progress.
type visits struct {
	mu      sync.Mutex
	changed *sync.Cond // with mu
	states  map[net.Conn]http.ConnState
	running int // requests inside the handler
}

func newVisits() *visits {
	v := &visits{states: map[net.Conn]http.ConnState{}}
	v.changed = sync.NewCond(&v.mu)
	return v
}

// note is the server's ConnState hook. An HTTP/2 connection is active while it has
// a stream, an HTTP/1.1 connection until its answer is flushed.
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

// count counts the requests inside a handler.
func (v *visits) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.add(1)
		defer v.add(-1)
		next.ServeHTTP(w, r)
	})
}

// busy returns the connections that carry a request.
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

// open reports whether a connection is not closed yet. The caller holds the lock:
// open is for waitUntil.
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

// waitUntil waits until done is true, but not longer than limit unless that is 0.
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

// panicLog is the error log of an http.Server. It shows a handler's panics and
// drops the rest, such as clients that leave.
func panicLog() *log.Logger { return log.New(panicWriter{}, "", log.LstdFlags) }

// A panicWriter writes lines about a panic to standard error and drops others.
type panicWriter struct{}

func (panicWriter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic")) {
		return os.Stderr.Write(p)
	}
	return len(p), nil
}

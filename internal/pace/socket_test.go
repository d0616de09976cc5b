// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quayside/quayside/internal/pace"
)

// A server is a real one, on a real socket, with TLS. It counts connections.
type server struct {
	*httptest.Server
	h1       bool
	lifetime int64 // requests, on the whole, until it says good-bye to the connection in use
	requests atomic.Int64
	accepted atomic.Int64
	open     atomic.Int64
	peak     atomic.Int64 // requests at once
	inflight atomic.Int64
}

func (s *server) start(t *testing.T) {
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.EnableHTTP2 = !s.h1
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.accepted.Add(1)
			s.open.Add(1)
		case http.StateClosed:
			s.open.Add(-1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	n := s.inflight.Add(1)
	defer s.inflight.Add(-1)
	for p := s.peak.Load(); n > p && !s.peak.CompareAndSwap(p, n); p = s.peak.Load() {
	}
	if n := s.requests.Add(1); s.h1 || s.lifetime > 0 && n%s.lifetime == 0 {
		w.Header().Set("Connection", "close") // over HTTP/2 that is a GOAWAY
	}
	fmt.Fprintf(w, `{"proto": %q}`, r.Proto)
}

// transport returns one for the server, without retries.
func (s *server) transport(t *testing.T, connections int) *pace.Transport {
	rt := pace.New(pace.Options{Base: s.Client().Transport, Connections: connections})
	t.Cleanup(rt.CloseIdleConnections)
	return rt
}

// get sends n requests, so many at once.
func (s *server) get(t *testing.T, rt http.RoundTripper, n, jobs int) {
	t.Helper()
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	var group sync.WaitGroup
	for range jobs {
		group.Go(func() {
			for range todo {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/index.html", nil) // no Quay's path: no limit is published
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := rt.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != 200 || len(body) == 0 {
					t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// dials checks how many connections there were.
func (s *server) dials(t *testing.T, rt *pace.Transport, least, most int64) {
	t.Helper()
	if n := s.accepted.Load(); n < least || n > most || int64(rt.Stats()[0].Dials) != n {
		t.Errorf("%d connections, and %d counted; want %d to %d", n, rt.Stats()[0].Dials, least, most)
	}
}

func TestAColdStartIsOneDial(t *testing.T) {
	s := &server{}
	s.start(t)
	rt := s.transport(t, 0)
	s.get(t, rt, 100, 100)
	s.dials(t, rt, 1, 1)
	if p := rt.Stats()[0].Proto; p != "HTTP/2.0" {
		t.Errorf("over %s", p)
	}
	s.get(t, rt, 500, 100)
	s.dials(t, rt, 1, 1)
	if n := s.peak.Load(); n > 100 {
		t.Errorf("%d requests at once", n)
	}
}

// TestAGoAwayIsOneMoreDial: the server closes the connection every 100
// requests. The client must not lose any, nor dial once for each that waits.
func TestAGoAwayIsOneMoreDial(t *testing.T) {
	s := &server{lifetime: 100}
	s.start(t)
	rt := s.transport(t, 1)
	s.get(t, rt, 1050, 64)
	goAways := s.requests.Load() / 100 // two may hit the same connection
	s.dials(t, rt, goAways/2, goAways+1)
}

func TestAClosedIdleConnectionIsOneMoreDial(t *testing.T) {
	s := &server{}
	s.start(t)
	rt := s.transport(t, 1)
	for range 3 {
		s.get(t, rt, 100, 100)
		s.CloseClientConnections() // those that are idle, as all are by now
	}
	s.get(t, rt, 100, 100)
	s.dials(t, rt, 4, 4)
}

func TestHTTP1UsesAConnectionARequestAtATime(t *testing.T) {
	s := &server{h1: true}
	s.start(t)
	rt := s.transport(t, 1)
	s.get(t, rt, 60, 30)
	s.dials(t, rt, 60, 60) // "Connection: close"
	if p := rt.Stats()[0].Proto; p != "HTTP/1.1" {
		t.Errorf("over %s", p)
	}
	if n := s.peak.Load(); n > 8 {
		t.Errorf("%d connections at once, want eight for one of HTTP/2", n)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	s := &server{}
	s.start(t)
	rt := s.transport(t, 0)
	s.get(t, rt, 10, 10)
	if n := rt.Stats()[0].Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
	rt.CloseIdleConnections()
	for s.open.Load() > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the connection stays open")
		}
		time.Sleep(time.Millisecond)
	}
	if n := rt.Stats()[0].Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
	s.get(t, rt, 10, 10) // and it works on
	s.dials(t, rt, 2, 2)
}

func TestAnUntrustedServerIsNotAskedTwice(t *testing.T) {
	s := &server{}
	s.start(t)
	rt := pace.New(pace.Options{Base: &http.Transport{ForceAttemptHTTP2: true}, Retries: 5})
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	if _, err := rt.RoundTrip(req); err == nil {
		t.Error("an unknown authority was trusted")
	}
	s.dials(t, rt, 1, 1)
}

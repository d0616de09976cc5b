// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/memnet"
)

// A pipeServer is net/http's own server, spoken to over connections in memory:
// the protocols are real, and the time is not.
type pipeServer struct {
	http1   bool
	limit   allowance
	latency time.Duration
	life    int // requests on a connection until its end

	*memnet.Listener
	mu       sync.Mutex
	accepted int
	requests int
	refused  int
	address  limiter
}

// connKey leads to what a connection has been asked for.
type connKey struct{}

type connState struct {
	limiter
	served int
}

func (s *pipeServer) start() *http.Server {
	s.Listener = memnet.Listen()
	p := new(http.Protocols)
	p.SetHTTP1(s.http1)
	p.SetUnencryptedHTTP2(!s.http1)
	server := &http.Server{
		Handler: s, Protocols: p,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &connState{})
		},
	}
	go server.Serve(s)
	return server
}

func (s *pipeServer) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err == nil {
		s.accepted++
	}
	return c, err
}

func (s *pipeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.latency / 2)
	c := r.Context().Value(connKey{}).(*connState)
	s.mu.Lock()
	s.requests++
	l := &c.limiter
	if s.http1 {
		l = &s.address
	}
	admitted := s.limit.rate == 0 || l.admit(s.limit, time.Now())
	if !admitted {
		s.refused++
	}
	if c.served++; s.http1 || s.life > 0 && c.served == s.life {
		w.Header().Set("Connection", "close") // over HTTP/2 that is a GOAWAY
	}
	s.mu.Unlock()
	time.Sleep(s.latency / 2)
	if !admitted {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	io.WriteString(w, "{}")
}

// TestOverPipes runs discoveries over HTTP as net/http speaks it.
func TestOverPipes(t *testing.T) {
	for _, c := range []struct {
		name         string
		server       *pipeServer
		connections  int
		repositories int
		limit        float64 // seconds
		ratio        float64
		refused      int
		least, most  int // connections
	}{
		{"HTTP/2, GOAWAY after 1,000 requests", &pipeServer{limit: allowance{50, 100}, life: 1000}, 1, 1876, (1895 - 2*101) / 50., 1.05, 19, 2, 2},
		{"HTTP/2, four connections", &pipeServer{limit: allowance{50, 100}, life: 1000}, 4, 1876, (1895 - 4*101) / 200., 1.20, 19, 4, 6},
		{"HTTP/2, no limit, GOAWAY after 100", &pipeServer{life: 100}, 1, 1876, 1895 * 0.02 / 100, 3, 0, 10, 20},
		{"HTTP/1.1, Connection: close", &pipeServer{http1: true, limit: allowance{5, 25}}, 4, 300, (303 - 26) / 5., 1.05, 3, 303, 306},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := c.server
				s.latency = 20 * millisecond
				server := s.start()
				base := &http.Transport{DialContext: s.Dial, Protocols: new(http.Protocols)}
				base.Protocols.SetHTTP1(s.http1)
				base.Protocols.SetUnencryptedHTTP2(!s.http1)
				rt := New(Options{Base: base, Retries: 10, Connections: c.connections, Timeout: time.Minute})
				wall, missing := discovery{repositories: c.repositories}.run(t, plain{rt})
				t.Logf("%v, limit %.2f s; %d of %d refused, %d connections", wall, c.limit, s.refused, s.requests, s.accepted)
				if wall.Seconds() > c.ratio*c.limit || s.refused > c.refused || missing > 0 {
					t.Errorf("took %v, want %.2f s times %.2f; %d refused, want %d at most; %d missing", wall, c.limit, c.ratio, s.refused, c.refused, missing)
				}
				if s.accepted < c.least || s.accepted > c.most || rt.Stats()[0].Dials != s.accepted {
					t.Errorf("%d connections, and %d counted; want %d to %d", s.accepted, rt.Stats()[0].Dials, c.least, c.most)
				}
				rt.CloseIdleConnections()
				server.Close()
			})
		})
	}
}

// plain speaks without TLS.
type plain struct{ http.RoundTripper }

func (p plain) RoundTrip(req *http.Request) (*http.Response, error) {
	req.URL.Scheme = "http"
	return p.RoundTripper.RoundTrip(req)
}

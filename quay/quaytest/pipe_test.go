// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A pipeListener accepts connections that never leave the process, so that a
// server can run on a bubble's clock.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8443} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.conns <- server
	return client, nil
}

// startPiped starts a server under a name that no resolver knows.
func startPiped(t *testing.T, host string, opts ...Option) *Server {
	t.Helper()
	h, err := NewHandler(&Dataset{}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s, err := startServer(h, l, host)
	if err != nil {
		t.Fatal(err)
	}
	s.Client().Transport.(*http.Transport).DialContext = l.dial
	return s
}

// A manifest's location keeps HTTP/1.1 connections.
const keptPath = "/v2/harbour/plain/manifests/1.0"

// Section 6 of doc/quay-api.md: a connection that is idle for 5 s is closed.
func TestIdleConnectionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		opts []Option
		want Connections
	}{
		"HTTP1":           {"quay.test", nil, Connections{Accepted: 2, HTTP1: 2}},
		"HTTP2":           {"quay.test", []Option{WithTLS()}, Connections{Accepted: 2, HTTP2: 2}},
		"HTTP1 keepalive": {"192.0.2.1", []Option{WithQuirk("keepalive", "")}, Connections{Accepted: 1, HTTP1: 1}},
		"HTTP2 keepalive": {"192.0.2.1", []Option{WithTLS(), WithQuirk("keepalive", "")}, Connections{Accepted: 1, HTTP2: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startPiped(t, c.host, c.opts...)
				defer s.Close()
				for _, idle := range []time.Duration{5*time.Second - time.Millisecond, 5 * time.Second, 0} {
					resp, err := s.Client().Get(s.URL() + keptPath)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					time.Sleep(idle)
					synctest.Wait()
				}
				if got := s.Stats().Connections; got != c.want {
					t.Errorf("connections %+v, want %+v", got, c.want)
				}
			})
		})
	}
}

// Close breaks off what waits, and takes no more than its grace for it: an
// HTTP/2 client may learn of the broken stream before it learns that the
// connection is to end, and then keeps it open for as long.
func TestCloseBreaksWaitsOff(t *testing.T) {
	for name, opts := range map[string][]Option{
		"latency HTTP1":   {WithLatency(time.Hour)},
		"latency HTTP2":   {WithLatency(time.Hour), WithTLS()},
		"queue HTTP1":     {WithQuirk("capacity", "0.02")},
		"queue HTTP2":     {WithQuirk("capacity", "0.02"), WithTLS()},
		"bandwidth HTTP1": {WithByteRate(1)},
		"stall HTTP2":     {WithQuirk("stall", ""), WithTLS()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startPiped(t, "quay.test", opts...)
				var asking sync.WaitGroup
				asking.Go(func() {
					resp, err := s.Client().Get(s.URL() + keptPath)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					if err == nil {
						t.Error("the answer came whole")
					}
				})
				synctest.Wait()
				start := time.Now()
				s.Close()
				if d := time.Since(start); d > grace {
					t.Errorf("Close took %v", d)
				}
				asking.Wait()
			})
		})
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// WithTLS makes a [Server] speak TLS with a certificate of its own authority,
// and with it HTTP/2. Without it a server speaks HTTP/1.1 only, as Quay's
// plain port does (doc/quay-api.md section 6).
func WithTLS() Option {
	return func(c *config) error { c.tls = true; return nil }
}

// WithListen sets the address, host:port, that a [Server] listens on. The
// default is 127.0.0.1:0, a free port that only this machine can reach.
func WithListen(address string) Option {
	return func(c *config) error { c.listen = address; return nil }
}

// A Server is an embedded Quay on a port of its own. It is safe for
// concurrent use. Close it when done.
type Server struct {
	handler   *Handler
	http      *http.Server
	listener  net.Listener
	authority *authority // nil: plain
	url       string
	client    *http.Client
	visits    *visits
	served    chan struct{} // closed when no connection is accepted any more
	closing   sync.Once
}

// A TB is the part of a test or benchmark that [Start] uses: *testing.T,
// *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start starts a [Server] for a test and closes it when the test ends. An error
// ends the test. The dataset must not be changed afterwards.
func Start(tb TB, d *Dataset, opts ...Option) *Server {
	tb.Helper()
	s, err := NewServer(d, opts...)
	if err != nil {
		tb.Fatalf("start an embedded Quay: %v", err)
		return nil
	}
	tb.Cleanup(s.Close)
	return s
}

// NewServer starts an embedded Quay that holds the dataset. The dataset must
// not be changed afterwards.
func NewServer(d *Dataset, opts ...Option) (*Server, error) {
	h, err := NewHandler(d, opts...)
	if err != nil {
		return nil, err
	}
	address := h.cfg.listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("quaytest: listen on %q: %w", address, err)
	}
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return startServer(h, l, host)
}

// What Quay's front end gives a connection (doc/quay-api.md section 6). The
// time for a request's header is nginx's default.
const (
	keepaliveTimeout  = 5 * time.Second
	headerTimeout     = 60 * time.Second
	concurrentStreams = 128
)

// startServer serves on a listener, which is known to clients as host.
func startServer(h *Handler, l net.Listener, host string) (*Server, error) {
	if h.served.refused != nil {
		d := newDoor(l)
		h.served.leave, l = d.leave, d
	}
	s := &Server{handler: h, listener: l, visits: newVisits(), served: make(chan struct{})}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.url = "http://" + net.JoinHostPort(host, port)
	transport := &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 90 * time.Second}
	s.client = &http.Client{Transport: transport}
	s.http = &http.Server{
		Handler:           s.visits.count(h),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       keepaliveTimeout,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: concurrentStreams},
		ErrorLog:          panicLog(),
		ConnState:         s.visits.note,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, s.visits.accept(h.served.stats))
		},
	}
	if h.served.keepalive {
		s.http.IdleTimeout = 0
	}
	if h.cfg.tls {
		a, err := newAuthority(host)
		if err != nil {
			h.Close()
			l.Close()
			return nil, err
		}
		s.authority = a
		s.url = "https" + strings.TrimPrefix(s.url, "http")
		s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
		transport.TLSClientConfig = &tls.Config{RootCAs: a.pool}
		transport.ForceAttemptHTTP2 = true
	}
	go s.serve()
	return s, nil
}

// serve accepts connections until the listener is closed, which is the only
// way it can fail.
func (s *Server) serve() {
	defer close(s.served)
	if s.authority == nil {
		_ = s.http.Serve(s.listener)
		return
	}
	_ = s.http.ServeTLS(s.listener, "", "")
}

// URL gives the server's base URL, without a slash at its end.
func (s *Server) URL() string { return s.url }

// Client gives a client that trusts the server, and speaks HTTP/2 to one with
// TLS. It is the same client every time, and of no use after Close.
func (s *Server) Client() *http.Client { return s.client }

// CAPEM gives the certificate of the server's authority, or nil without TLS.
func (s *Server) CAPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return append([]byte(nil), s.authority.pem...)
}

// CertPool gives a pool with the server's authority, or nil without TLS.
func (s *Server) CertPool() *x509.CertPool {
	if s.authority == nil {
		return nil
	}
	return s.authority.pool.Clone()
}

// Stats gives a snapshot of the counters. It works after Close, too.
func (s *Server) Stats() Stats { return s.handler.Stats() }

// grace is how long Close waits for answers under way.
const grace = time.Second

// Close stops the server. An answer that is being written is finished when
// that takes less than a second; one that waits (for latency, in a queue, in
// a stall, for bandwidth) is broken off. When Close returns, every connection
// is closed and no goroutine is left.
func (s *Server) Close() {
	s.closing.Do(func() {
		s.handler.Close()
		s.listener.Close()
		<-s.served
		busy := s.visits.busy()
		// Shutdown tells HTTP/2 clients with GOAWAY to close their connection
		// after its last answer. Connections that carry none need not be waited
		// for: Shutdown would give each a second.
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		var shutdown sync.WaitGroup
		shutdown.Go(func() { _ = s.http.Shutdown(ctx) })
		s.visits.waitUntil(func(v *visits) bool { return !slices.ContainsFunc(busy, v.open) }, grace)
		cancel()
		shutdown.Wait()
		s.http.Close()
		s.visits.waitUntil(func(v *visits) bool { return len(v.states) == 0 && v.running == 0 }, 0)
	})
}

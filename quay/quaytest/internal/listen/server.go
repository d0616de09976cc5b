// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package listen serves a front end on a port: the listener, which can go away for
// a time, a certificate of its own authority, and an orderly end.
package listen

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

	"github.com/quayside/quayside/quay/quaytest/internal/front"
)

// How Quay's front end treats a connection (doc/quay-api.md section 6). The time
// for a request's header is nginx's default.
const (
	keepaliveTimeout  = 5 * time.Second
	headerTimeout     = 60 * time.Second
	concurrentStreams = 128
)

// A Server serves a front end on a port. It is safe for concurrent use.
type Server struct {
	http      *http.Server
	listener  net.Listener
	authority *authority // nil: plain
	url       string
	client    *http.Client
	visits    *visits
	served    chan struct{} // closed when the listener accepts no connection any more
	closing   sync.Once
}

// Start serves f on an address, host:port, over TLS with HTTP/2 or over plain
// HTTP/1.1. An empty address is a free port of 127.0.0.1.
func Start(f *front.Front, address string, secure bool) (*Server, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", address, err)
	}
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return startOn(l, host, f, secure)
}

// startOn serves f on a listener, which clients know as host.
func startOn(l net.Listener, host string, f *front.Front, secure bool) (*Server, error) {
	if f.Refused != nil {
		d := newDoor(l)
		f.OnRefused(d.shut)
		l = d
	}
	s := &Server{listener: l, visits: newVisits(), served: make(chan struct{})}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.url = "http://" + net.JoinHostPort(host, port)
	transport := &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 90 * time.Second}
	s.client = &http.Client{Transport: transport}
	s.http = &http.Server{
		Handler:           s.visits.count(f),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       keepaliveTimeout,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: concurrentStreams},
		ErrorLog:          panicLog(),
		ConnState:         s.visits.note,
		ConnContext:       func(ctx context.Context, _ net.Conn) context.Context { return f.Accepted(ctx) },
	}
	if f.Keepalive {
		s.http.IdleTimeout = 0
	}
	if secure {
		if err := s.secure(host, transport); err != nil {
			l.Close()
			return nil, err
		}
	}
	go s.serve()
	return s, nil
}

// secure sets the certificate of the server, and makes the client trust it.
func (s *Server) secure(host string, transport *http.Transport) error {
	a, err := newAuthority(host)
	if err != nil {
		return err
	}
	s.authority = a
	s.url = "https" + strings.TrimPrefix(s.url, "http")
	s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
	transport.TLSClientConfig = &tls.Config{RootCAs: a.pool}
	transport.ForceAttemptHTTP2 = true
	return nil
}

// serve accepts connections until the listener is closed, which is the only way it
// can fail.
func (s *Server) serve() {
	defer close(s.served)
	if s.authority == nil {
		_ = s.http.Serve(s.listener)
		return
	}
	_ = s.http.ServeTLS(s.listener, "", "")
}

// URL returns the base URL without a slash at its end.
func (s *Server) URL() string { return s.url }

// Client returns a client that trusts the server.
func (s *Server) Client() *http.Client { return s.client }

// CAPEM returns the certificate of the server's authority, or nil without TLS.
func (s *Server) CAPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return slices.Clone(s.authority.pem)
}

// CertPool returns a pool with the server's authority, or nil without TLS.
func (s *Server) CertPool() *x509.CertPool {
	if s.authority == nil {
		return nil
	}
	return s.authority.pool.Clone()
}

// grace is how long Close waits for answers that are being written.
const grace = time.Second

// Close stops the server. It calls cancel first, which must break off the answers
// that wait. An answer that is being written is finished if that takes less than
// grace. When Close returns, every connection is closed and no goroutine is left.
func (s *Server) Close(cancel func()) {
	s.closing.Do(func() {
		cancel()
		s.listener.Close()
		<-s.served
		busy := s.visits.busy()
		// Shutdown sends HTTP/2 clients GOAWAY, after which they close their connection
		// when they have their last answer. It would wait a second for connections that
		// carry no request.
		ctx, stop := context.WithTimeout(context.Background(), grace)
		var shutdown sync.WaitGroup
		shutdown.Go(func() { _ = s.http.Shutdown(ctx) })
		s.visits.waitUntil(func(v *visits) bool { return !slices.ContainsFunc(busy, v.open) }, grace)
		stop()
		shutdown.Wait()
		s.http.Close()
		s.visits.waitUntil(func(v *visits) bool { return len(v.states) == 0 && v.running == 0 }, 0)
	})
}

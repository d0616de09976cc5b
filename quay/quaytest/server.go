// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/quayside/quayside/quay/quaytest/internal/listen"
)

// A Server is an embedded Quay on a port of its own. Close it when done. It is safe
// for concurrent use.
type Server struct {
	handler *Handler
	server  *listen.Server
}

// A TB is the part of a test or benchmark that [Start] uses. *testing.T, *testing.B
// and *testing.F implement it.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start starts a [Server] for a test and closes it when the test ends. An error ends
// the test. The dataset must not be changed afterwards.
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

// NewServer starts an embedded Quay that holds a dataset. The dataset must not be
// changed afterwards; several servers may share it. NewServer fails as [NewHandler]
// does, or if it cannot listen.
func NewServer(d *Dataset, opts ...Option) (*Server, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	h, err := newHandler(d, cfg)
	if err != nil {
		return nil, err
	}
	s, err := listen.Start(h.front, cfg.listen, cfg.tls)
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("quaytest: %w", err)
	}
	return &Server{handler: h, server: s}, nil
}

// URL returns the server's base URL without a slash at its end.
func (s *Server) URL() string { return s.server.URL() }

// Client returns an HTTP client that trusts the server and speaks HTTP/2 to a server
// with TLS. It is the same client every time. It cannot be used after Close.
func (s *Server) Client() *http.Client { return s.server.Client() }

// CAPEM returns the certificate of the server's authority as PEM, or nil without TLS.
func (s *Server) CAPEM() []byte { return s.server.CAPEM() }

// CertPool returns a pool with the server's authority, or nil without TLS.
func (s *Server) CertPool() *x509.CertPool { return s.server.CertPool() }

// Stats returns a snapshot of the counters, after Close too.
func (s *Server) Stats() Stats { return s.handler.Stats() }

// Close stops the server. It finishes an answer that is being written if that takes
// less than a second, and breaks off answers that wait (for latency, in a queue, in
// a stall, for bandwidth). When Close returns, every connection is closed and no
// goroutine is left. It may be called several times.
func (s *Server) Close() { s.server.Close(s.handler.Close) }

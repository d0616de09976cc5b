// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"github.com/quayside/quayside/internal/transport"
)

// A clientConn is a single connection, such as an *http.ClientConn.
type clientConn interface {
	http.RoundTripper
	Available() int // how many more requests it takes now
	InFlight() int
	Err() error // why it takes no more requests
	Close() error
}

// A dialer makes connections to a host.
type dialer func(ctx context.Context) (clientConn, error)

// dialerFor returns how to make single connections to u's host, or nil if the base
// keeps its own connections.
func dialerFor(base http.RoundTripper, u *url.URL) dialer {
	t, ok := base.(*http.Transport)
	if !ok || t.DisableKeepAlives {
		return nil
	}
	if u.Scheme == "http" && (t.Protocols == nil || !t.Protocols.UnencryptedHTTP2()) {
		return nil // HTTP/1.1: one request a connection at a time
	}
	address := transport.HostPort(u)
	return func(ctx context.Context) (clientConn, error) {
		c, err := t.NewClientConn(ctx, u.Scheme, address)
		if err != nil {
			return nil, err // not a nil *ClientConn in an interface
		}
		return c, nil
	}
}

// A pool stands for all connections of a base that keeps its own: over HTTP/1.1, and
// if the base is not an *http.Transport.
type pool struct {
	base   http.RoundTripper
	dialed func() // called for each new connection
}

func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			p.dialed()
		}
	}}
	return p.base.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
}

func (p *pool) Available() int { return connWindow }
func (p *pool) InFlight() int  { return 0 }
func (p *pool) Err() error     { return nil }
func (p *pool) Close() error   { return nil }

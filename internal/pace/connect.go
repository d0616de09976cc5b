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

// A conn carries requests. *http.ClientConn is one: a single connection.
type conn interface {
	http.RoundTripper
	Available() int // requests it takes now
	InFlight() int
	Err() error // why it takes none any more
	Close() error
}

// A dialer makes connections to a host.
type dialer func(ctx context.Context) (conn, error)

// dialerFor returns how to make single connections to u's host, or nil when
// the base does not say: then it keeps its own connections.
func dialerFor(base http.RoundTripper, u *url.URL) dialer {
	t, ok := base.(*http.Transport)
	if !ok || t.DisableKeepAlives {
		return nil
	}
	if u.Scheme == "http" && (t.Protocols == nil || !t.Protocols.UnencryptedHTTP2()) {
		return nil // HTTP/1.1: one request a connection at a time
	}
	address := transport.HostPort(u)
	return func(ctx context.Context) (conn, error) {
		c, err := t.NewClientConn(ctx, u.Scheme, address)
		if err != nil {
			return nil, err // not a nil *ClientConn in a conn
		}
		return c, nil
	}
}

// A pool is a base that keeps its own connections: over HTTP/1.1, where a
// connection carries one request at a time, and when the base is not an
// *http.Transport.
type pool struct {
	base   http.RoundTripper
	dialed func() // called when a request needed a new connection
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

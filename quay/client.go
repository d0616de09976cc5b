// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/transport"
)

// DefaultServer is the server of a client that was given no other.
const DefaultServer = "https://quay.io"

// A Client asks one Quay server. It is immutable and safe for concurrent use.
// Make it with [New]; one client a server is enough, so that its requests share
// connections and pace.
type Client struct {
	core *core
	// send tells whether requests carry the token, if there is one.
	send bool
}

// A core is what a client shares with its Anonymous clients.
type core struct {
	base   string // scheme://host[:port][/prefix], without a slash at the end
	agent  string
	token  secret
	logger *slog.Logger
	// redactor knows the token.
	redactor *redact.Redactor
	http     *http.Client
	pace     *pace.Transport
	own      *http.Transport // nil when the user brought one
	count    counters

	trouble atomic.Pointer[string] // of the latest attempt, or nil
}

// A secret is a text that no way of printing a value shows. Nil is none.
type secret func() string

// New returns a client of [DefaultServer] without a token, or what the options
// make of it. It sends nothing. An option that makes no sense is an
// [ErrInvalid].
func New(opts ...Option) (*Client, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	c := &core{base: s.server, agent: s.agent, token: s.token, logger: s.logger, redactor: &redact.Redactor{}}
	if s.token != nil {
		c.redactor.Add(s.token())
	}
	var carrier http.RoundTripper
	if s.http != nil && s.http.Transport != nil {
		carrier = s.http.Transport
	} else {
		c.own = transport.New(s.roots)
		carrier = c.own
	}
	c.pace = pace.New(pace.Options{
		Base:        carrier,
		Timeout:     s.attemptTime(),
		Retries:     s.retries,
		Logger:      s.logger,
		Rate:        s.rate,
		Burst:       float64(s.burst),
		Connections: s.connections,
		Validate:    validate,
		MaxBody:     maxAnswer,
		Observe:     c.observe,
	})
	c.http = &http.Client{Transport: c.pace, CheckRedirect: checkRedirect}
	return &Client{core: c, send: true}, nil
}

// Server returns the base URL of the server, without a slash at its end.
func (c *Client) Server() string { return c.core.base }

// HasToken tells whether the client sends a token. Whether the server knows it
// is another question: [Client.CheckToken].
func (c *Client) HasToken() bool { return c.send && c.core.token != nil }

// Anonymous returns a client of the same server that never sends the token. It
// shares connections, retries, logger and counters with c.
//
// A token costs a Quay ten times the work of the same request without it
// (doc/quay-api.md section 4): ask for what is public without.
func (c *Client) Anonymous() *Client { return &Client{core: c.core} }

// Close closes idle connections. The client can still be used. The connections
// that a client given with [WithHTTPClient] keeps are left alone.
func (c *Client) Close() {
	c.core.pace.CloseIdleConnections()
	if c.core.own != nil {
		c.core.own.CloseIdleConnections()
	}
}

// Stats counts HTTP requests, repetitions and redirects included.
type Stats struct {
	Requests     int64 // attempts, also those that found no server
	WithToken    int64 // of Requests: carried the token
	WithoutToken int64 // of Requests: did not
	Refused      int64 // of Requests: answered 429
	Retries      int64 // of Requests: repeated an earlier one
}

// Pace is what a client has learned of its server.
type Pace struct {
	Protocol    string // such as "HTTP/2.0"; "" before the first answer
	Connections int    // made so far, or tried
	// Limit tells where Rate comes from: it is "published" (doc/quay-api.md
	// section 6), "learned" from refusals, "chosen" with [WithRate], or "none"
	// has shown. It is "" before the first answer.
	Limit string
	// Rate is how many requests a second the server is taken to admit over
	// all connections; 0 when no limit has shown.
	Rate float64
	// Held tells that requests wait now because the limit is used up.
	Held bool
	// Pause is how long they wait still since the server refused one; 0 when
	// it is not for that.
	Pause time.Duration
	// Trouble is why the latest attempt got no answer, or none but a 5xx; ""
	// when it got one.
	Trouble string
}

// Pace returns what is known by now of the server's limit on this API.
func (c *Client) Pace() Pace {
	var p Pace
	if trouble := c.core.trouble.Load(); trouble != nil {
		p.Trouble = *trouble
	}
	for _, host := range c.core.pace.Stats() { // one at most: redirects stay there
		p.Protocol, p.Connections = host.Proto, host.Dials
		for _, class := range host.Classes {
			if class.Class == "api" {
				p.Limit, p.Rate = class.Known, class.Rate
				p.Held, p.Pause = class.Held, class.Pause
			}
		}
	}
	return p
}

type counters struct {
	withToken, withoutToken, refused, retries atomic.Int64
}

// Stats returns what was sent so far by c, and by all that came of it or that
// it came of by [Client.Anonymous]. A request counts when its attempt is over.
func (c *Client) Stats() Stats {
	n := &c.core.count
	s := Stats{
		WithToken:    n.withToken.Load(),
		WithoutToken: n.withoutToken.Load(),
		Refused:      n.refused.Load(),
		Retries:      n.retries.Load(),
	}
	s.Requests = s.WithToken + s.WithoutToken
	return s
}

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

// DefaultServer is the server of a client without [WithServer].
const DefaultServer = "https://quay.io"

// A Client sends requests to one Quay server. It is immutable and safe for
// concurrent use. Make a Client with [New], one for each server, so that its
// requests share connections and a rate limit.
type Client struct {
	core *core
	// sendToken is false for an anonymous client.
	sendToken bool
}

// A core is the state that a client shares with its anonymous clients.
type core struct {
	base     string // scheme://host[:port][/prefix], without a slash at the end
	agent    string
	token    redact.Secret
	logger   *slog.Logger
	redactor *redact.Redactor // knows the token
	http     *http.Client
	pace     *pace.Transport
	own      *http.Transport // nil with WithTransport
	count    counters

	lastError atomic.Pointer[string] // of the latest attempt, or nil
}

// New returns a client. Without options it sends requests to [DefaultServer] without
// a token. New sends nothing. It ignores nil options. The error of an option that
// makes no sense is [ErrInvalid].
func New(opts ...Option) (*Client, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	c := &core{base: s.server, agent: s.agent, token: s.token, logger: s.logger, redactor: &redact.Redactor{}}
	c.redactor.Add(s.token.Reveal())
	base := s.transport
	if base == nil {
		c.own = transport.New(s.roots)
		base = c.own
	}
	c.pace = pace.New(pace.Options{
		Base:        base,
		Timeout:     s.timeout,
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
	return &Client{core: c, sendToken: true}, nil
}

const maxRedirects = 5

// checkRedirect follows a few redirects to the same scheme, host and port. Any
// other redirect becomes an error: the token must not go there.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || req.URL.User != nil || transport.Origin(req.URL) != transport.Origin(via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// Server returns the base URL of the server, without a slash at its end.
func (c *Client) Server() string { return c.core.base }

// HasToken reports whether the client sends a token. [Client.CheckToken] asks
// whether the server knows the token.
func (c *Client) HasToken() bool { return c.sendToken && !c.core.token.IsZero() }

// Anonymous returns a client of the same server that never sends the token. It
// shares connections, rate limit, retries, logger and counters with c.
//
// A request with a token costs a Quay about ten times the work of the same request
// without it (doc/quay-api.md section 4), so ask for public data anonymously.
func (c *Client) Anonymous() *Client { return &Client{core: c.core} }

// Close closes idle connections, but not those of a transport given with
// [WithTransport]. The client can still be used.
func (c *Client) Close() {
	c.core.pace.CloseIdleConnections()
	if c.core.own != nil {
		c.core.own.CloseIdleConnections()
	}
}

// Stats counts HTTP requests, including retries and redirects.
type Stats struct {
	Requests     int64 // attempts, also those that reached no server
	WithToken    int64 // of Requests: with the token
	WithoutToken int64 // of Requests: without the token
	RateLimited  int64 // of Requests: answered 429
	Retries      int64 // of Requests: repeated an earlier one
}

// Pace is what a client has learned about the rate limit of its server.
type Pace struct {
	Protocol    string // such as "HTTP/2.0"; "" before the first answer
	Connections int    // made or tried so far
	// Limit is the origin of Rate: "published" (doc/quay-api.md section 6),
	// "learned" from answers with 429, "chosen" with [WithRate], or "none" if no
	// limit has shown. It is "" before the first answer.
	Limit string
	// Rate is the estimate of requests a second that the server admits over all
	// connections; 0 if no limit has shown.
	Rate float64
	// Throttled is true while requests wait because the limit is used up.
	Throttled bool
	// Pause is how long requests still wait because the server answered 429; 0 if
	// they do not.
	Pause time.Duration
	// LastError is why the latest attempt got no answer, a 5xx or a 429; "" if it
	// got another answer.
	LastError string
}

// Pace returns what the client knows about the server's rate limit on this API.
func (c *Client) Pace() Pace {
	var p Pace
	if text := c.core.lastError.Load(); text != nil {
		p.LastError = *text
	}
	for _, host := range c.core.pace.Stats() { // at most one: redirects stay on the host
		p.Protocol, p.Connections = host.Proto, host.Dials
		for _, class := range host.Classes {
			if class.Class == "api" {
				p.Limit, p.Rate = class.Known, class.Rate
				p.Throttled, p.Pause = class.Held, class.Pause
			}
		}
	}
	return p
}

type counters struct {
	withToken, withoutToken, rateLimited, retries atomic.Int64
}

// Stats returns what the client and its anonymous clients have sent. A request is
// counted when its attempt has ended.
func (c *Client) Stats() Stats {
	n := &c.core.count
	s := Stats{
		WithToken:    n.withToken.Load(),
		WithoutToken: n.withoutToken.Load(),
		RateLimited:  n.rateLimited.Load(),
		Retries:      n.retries.Load(),
	}
	s.Requests = s.WithToken + s.WithoutToken
	return s
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"crypto/x509"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/redact"
)

// Defaults of a client.
const (
	// DefaultTimeout limits one attempt of a request. It is longer than the 60 s
	// after which a Quay's front end answers 504 (doc/quay-api.md section 3).
	DefaultTimeout = 90 * time.Second
	// DefaultRetries is how often a failed request is retried at most. An answer
	// with 429 does not count: see [WithRetries].
	DefaultRetries = 25
	// DefaultConnections is how many HTTP/2 connections a client opens at most.
	// Quay's front end limits the rate of each connection (doc/quay-api.md section 6).
	DefaultConnections = pace.DefaultConnections
	// MaxConnections is the most that [WithConnections] accepts.
	MaxConnections = pace.MaxConnections
)

const (
	module  = "github.com/quayside/quayside"
	website = "https://" + module
)

// An Option is a setting of a client.
type Option func(*settings) error

type settings struct {
	server  string
	token   redact.Secret
	roots   *x509.CertPool
	agent   string
	logger  *slog.Logger
	timeout time.Duration
	retries int

	transport http.RoundTripper // nil: the client's own

	rate        float64 // requests a second; 0: learned
	burst       int     // 0: the published burst
	connections int     // 0: DefaultConnections
}

const opNew = "new client"

func newSettings(opts []Option) (*settings, error) {
	s := &settings{
		server:  DefaultServer,
		logger:  slog.New(slog.DiscardHandler),
		timeout: DefaultTimeout,
		retries: DefaultRetries,
	}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	if s.roots != nil && s.transport != nil {
		return nil, invalid(opNew, "root CAs beside a transport: set them in the transport")
	}
	if s.agent == "" {
		s.agent = defaultAgent()
	}
	return s, nil
}

// WithServer sets the server: http or https, host, port, and the path prefix that a
// proxy may add before Quay's own paths, without "/api/v1". User information, a
// query or a fragment is an error. Over http, others can read the token.
func WithServer(rawURL string) Option {
	return func(s *settings) error {
		u, err := url.Parse(rawURL)
		if err != nil {
			// The parser's error repeats the URL, with any password in it.
			return invalid(opNew, "the server is not a URL: want https://host[:port][/prefix]")
		}
		u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
		prefix := strings.TrimRight(u.EscapedPath(), "/")
		shown := quote(u.Scheme + "://" + u.Host + prefix)
		switch {
		case u.User != nil:
			return invalid(opNew, "server %s: user information is not allowed: use WithToken", shown)
		case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
			if strings.ContainsAny(rawURL, "@?") {
				return invalid(opNew, "the server: want https://host[:port][/prefix]")
			}
			return invalid(opNew, "server %s: want https://host[:port][/prefix]", quote(rawURL))
		case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()):
			return invalid(opNew, "server %s: want a port from 1 to 65535", shown)
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(rawURL, "#"):
			return invalid(opNew, "server %s: a query or fragment is not allowed", shown)
		case strings.HasSuffix(prefix, "/api/v1"):
			return invalid(opNew, "server %s: leave out /api/v1", shown)
		}
		s.server = u.Scheme + "://" + u.Host + prefix
		return nil
	}
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// WithToken sets the OAuth application token that is sent with every request. A robot
// account's token does not work on this API. Space around the token is removed; ""
// is no token. The token appears in no error or log line.
func WithToken(token string) Option {
	return func(s *settings) error {
		token = strings.TrimSpace(token)
		for _, c := range token {
			if c <= ' ' || c > '~' {
				return invalid(opNew, "the token has a space or a character that is not printable ASCII: give the token alone, without \"Bearer\"")
			}
		}
		s.token = redact.NewSecret(token)
		return nil
	}
}

// WithTransport sets the transport that sends each attempt of a request, below the
// client's rate limit and retries. The caller keeps the transport and closes its
// connections. If it is an [*http.Transport], the client opens connections of its own
// with the same settings.
func WithTransport(t http.RoundTripper) Option {
	return func(s *settings) error {
		if t == nil {
			return invalid(opNew, "nil transport")
		}
		s.transport = t
		return nil
	}
}

// WithRootCAs sets the certificate authorities that the client trusts, in place of
// the system's. To add an authority, start from [x509.SystemCertPool].
func WithRootCAs(pool *x509.CertPool) Option {
	return func(s *settings) error {
		if pool == nil {
			return invalid(opNew, "nil pool of root CAs")
		}
		s.roots = pool
		return nil
	}
}

// WithUserAgent sets the User-Agent header in place of "quayside/VERSION (+URL)".
// Name your program: operators block clients that they cannot identify. A Quay
// refuses agents that look like a browser, such as "Mozilla/5.0" (doc/quay-api.md
// section 3).
func WithUserAgent(ua string) Option {
	return func(s *settings) error {
		ua = strings.TrimSpace(ua)
		for _, c := range ua {
			if c < ' ' || c > '~' {
				return invalid(opNew, "user agent %s: it has a character that is not printable ASCII", quote(ua))
			}
		}
		if ua == "" {
			return invalid(opNew, "empty user agent")
		}
		s.agent = ua
		return nil
	}
}

// WithLogger sets the logger: level Info for progress and waits, Debug for each HTTP
// exchange with method, URL, status, duration and protocol. Headers are never
// logged. Without WithLogger, or with nil, nothing is logged. net/http itself logs
// unexpected data of a server with the standard library's logger; a program can
// redirect it with [log.SetOutput].
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) error {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		s.logger = l
		return nil
	}
}

// WithTimeout limits one attempt of a request, including its body, in place of
// [DefaultTimeout]. A longer attempt is retried like a broken connection. Whatever d
// is, an answer must begin within 65 s, unless [WithTransport] is given, and must
// make progress: at least 16 KiB a minute. The context limits a whole call.
func WithTimeout(d time.Duration) Option {
	return func(s *settings) error {
		if d <= 0 {
			return invalid(opNew, "timeout %v: must be more than 0", d)
		}
		s.timeout = d
		return nil
	}
}

// WithRetries sets how often a failed request is retried at most, in place of
// [DefaultRetries]. With 0, the first failure is final, and so is the first 429.
//
// During an outage (502, 503, 504, 520, an HTML page with 500, or no connection), one
// request at a time is retried while the others wait. All give up after two minutes
// together, or after about ten seconds if the server has never answered. A 200 that
// is not JSON is retried six times. Waits grow from 20 ms to 8 s. A Retry-After of up
// to five minutes is obeyed. No attempt starts later than ten minutes after the
// first failure. An answer with 429 does not count: the request is retried while the
// server admits others, and for ten minutes if it admits none.
func WithRetries(n int) Option {
	return func(s *settings) error {
		if n < 0 {
			return invalid(opNew, "%d retries: must be 0 or more", n)
		}
		s.retries = n
		return nil
	}
}

// WithRate limits the client to a number of requests a second, over one connection,
// in place of the limit that it learns; 0 keeps the learned limit. Up to burst
// requests may be sent at once; 0 is the requests of one second or, without a rate,
// the published burst.
func WithRate(perSecond float64, burst int) Option {
	return func(s *settings) error {
		if perSecond < 0 || math.IsInf(perSecond, 0) || math.IsNaN(perSecond) || burst < 0 {
			return invalid(opNew, "rate %v and burst %d: must be 0 or more", perSecond, burst)
		}
		s.rate, s.burst = perSecond, burst
		return nil
	}
}

// WithConnections sets how many HTTP/2 connections the client opens at most, from 1
// to [MaxConnections], in place of [DefaultConnections]. The client starts with one
// and opens another when the server's limit of a connection slows it down.
func WithConnections(n int) Option {
	return func(s *settings) error {
		if n < 1 || n > MaxConnections {
			return invalid(opNew, "%d connections: must be from 1 to %d", n, MaxConnections)
		}
		s.connections = n
		return nil
	}
}

// defaultAgent names this module and the version that is built in.
func defaultAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return "quayside/" + version + " (+" + website + ")"
}

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
)

// What a client does when no option says otherwise.
const (
	// DefaultTimeout bounds one attempt of a request. A Quay's front end gives
	// up on its backend after 60 s (doc/quay-api.md section 3); this lets it say so.
	DefaultTimeout = 90 * time.Second
	// DefaultRetries is how often a request that failed is repeated at most.
	// Being refused with 429 is no failure: see [WithRetries].
	DefaultRetries = 25
	// DefaultConnections is how many HTTP/2 connections a client opens to its
	// server at most. Quay's front end gives each an allowance of its own
	// (doc/quay-api.md section 6).
	DefaultConnections = pace.DefaultConnections
	// MaxConnections is the most that [WithConnections] takes.
	MaxConnections = pace.MaxConnections
)

const (
	module  = "github.com/quayside/quayside"
	website = "https://" + module
)

// An Option sets up a client.
type Option func(*settings) error

type settings struct {
	server  string
	token   secret
	http    *http.Client
	roots   *x509.CertPool
	agent   string
	logger  *slog.Logger
	timeout time.Duration
	retries int

	rate        float64 // requests a second; 0: what the server admits
	burst       int     // 0: the published one
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
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	if s.roots != nil && s.http != nil && s.http.Transport != nil {
		return nil, invalid(opNew, "root CAs given beside an HTTP client with a transport of its own: set them there")
	}
	if s.agent == "" {
		s.agent = defaultAgent()
	}
	return s, nil
}

// WithServer sets the server: http or https, host, port, and the path prefix
// that a proxy may put before Quay's own paths, but not "/api/v1" itself. User
// information, a query and a fragment are refused. Over http a token travels
// in the clear.
func WithServer(rawURL string) Option {
	return func(s *settings) error {
		u, err := url.Parse(rawURL)
		if err != nil {
			// The parser's error repeats the URL, with any password in it.
			return invalid(opNew, "the server's address is not a URL: want https://host[:port][/prefix]")
		}
		u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
		prefix := strings.TrimRight(u.EscapedPath(), "/")
		shown := quote(u.Scheme + "://" + u.Host + prefix)
		switch {
		case u.User != nil:
			return invalid(opNew, "server %s: it has user information: give the token by itself", shown)
		case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
			if strings.ContainsAny(rawURL, "@?") {
				return invalid(opNew, "the server's address: want https://host[:port][/prefix]")
			}
			return invalid(opNew, "server %s: want https://host[:port][/prefix]", quote(rawURL))
		case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()):
			return invalid(opNew, "server %s: a port is a number from 1 to 65535", shown)
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(rawURL, "#"):
			return invalid(opNew, "server %s: it has a query or fragment", shown)
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

// WithToken sets the OAuth application token that is sent with every request.
// A robot account's token does not work on this API. White space around it is
// dropped; "" is no token. The token is kept out of errors and logs.
func WithToken(token string) Option {
	return func(s *settings) error {
		token = strings.TrimSpace(token)
		for _, c := range token {
			if c <= ' ' || c > '~' {
				return invalid(opNew, "the token has a space, a control character or a letter beyond ASCII in it: give the token alone, without \"Bearer\"")
			}
		}
		s.token = nil
		if token != "" {
			s.token = func() string { return token }
		}
		return nil
	}
}

// WithHTTPClient makes c's transport carry the requests, beneath retries, and
// its Timeout, if it is shorter than [WithTimeout]'s, bound an attempt. Its
// Jar and CheckRedirect are not used. Without a transport c brings only its
// Timeout.
func WithHTTPClient(c *http.Client) Option {
	return func(s *settings) error {
		if c == nil {
			return invalid(opNew, "nil HTTP client")
		}
		s.http = c
		return nil
	}
}

// WithRootCAs sets the certificate authorities a server's certificate may come
// from, in place of the system's. To add to those, start from
// [x509.SystemCertPool].
func WithRootCAs(pool *x509.CertPool) Option {
	return func(s *settings) error {
		if pool == nil {
			return invalid(opNew, "nil pool of root CAs")
		}
		s.roots = pool
		return nil
	}
}

// WithUserAgent sets the User-Agent header in place of "quayside/VERSION
// (+URL)". Say who asks: servers block anonymous pollers by it. A Quay refuses
// what looks like a browser, such as "Mozilla/5.0" (doc/quay-api.md section 3).
func WithUserAgent(ua string) Option {
	return func(s *settings) error {
		ua = strings.TrimSpace(ua)
		for _, c := range ua {
			if c < ' ' || c > '~' {
				return invalid(opNew, "user agent %s: it has a control character or a letter beyond ASCII in it", quote(ua))
			}
		}
		if ua == "" {
			return invalid(opNew, "empty user agent")
		}
		s.agent = ua
		return nil
	}
}

// WithLogger sets the logger: Info for progress and waits, Debug for each HTTP
// exchange with method, URL, status, duration and protocol. No header is ever
// logged. Without it, or with nil, nothing is. What net/http itself logs, of a
// server that sends something unasked, goes to the standard library's logger:
// [log.SetOutput] is the program's to call.
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) error {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		s.logger = l
		return nil
	}
}

// WithTimeout bounds one attempt of a request, its body included, in place of
// [DefaultTimeout]. An attempt that takes longer is repeated as a broken
// connection is. Whatever d is, an answer has to begin within 65 s, unless
// [WithHTTPClient] brought a transport, and to bring 16 KiB a minute, or its end. What bounds a call as a whole is its
// context.
func WithTimeout(d time.Duration) Option {
	return func(s *settings) error {
		if d <= 0 {
			return invalid(opNew, "timeout %v: want more than 0", d)
		}
		s.timeout = d
		return nil
	}
}

// WithRetries sets how often a request that failed is repeated at most, in
// place of [DefaultRetries]. While the server answers nothing of use (502, 503,
// 504, 520, 500 with a page, no connection), one request at a time tries again,
// and all of them together wait for two minutes; for some ten seconds if the
// server has never answered. A 200 that is not JSON is repeated six times. Waits
// grow from 20 ms to 8 s; a Retry-After is obeyed up to five minutes; no attempt
// starts later than ten minutes after the first failure. A 429 uses up none of them: it is repeated while the server admits
// others, and for ten minutes when it admits none. With 0 the first failure is
// final, and so is the first 429.
func WithRetries(n int) Option {
	return func(s *settings) error {
		if n < 0 {
			return invalid(opNew, "%d retries: want 0 or more", n)
		}
		s.retries = n
		return nil
	}
}

// WithRate makes the client send so many requests a second at most, in place of
// what it learns of the server, over one connection; 0 leaves it to what it
// learns. So many requests as burst may go at once before that; 0 is one
// second's worth or, without a rate, the published burst.
func WithRate(perSecond float64, burst int) Option {
	return func(s *settings) error {
		if perSecond < 0 || math.IsInf(perSecond, 0) || math.IsNaN(perSecond) || burst < 0 {
			return invalid(opNew, "rate %v and burst %d: want 0 or more", perSecond, burst)
		}
		s.rate, s.burst = perSecond, burst
		return nil
	}
}

// WithConnections sets how many HTTP/2 connections the client opens to its
// server at most, from 1 to 16, in place of [DefaultConnections]. It begins
// with one, and opens others when what the server grants a connection holds
// it back.
func WithConnections(n int) Option {
	return func(s *settings) error {
		if n < 1 || n > MaxConnections {
			return invalid(opNew, "%d connections: want 1 to %d", n, MaxConnections)
		}
		s.connections = n
		return nil
	}
}

// defaultAgent names this module and the version of it that was built in.
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/quayside/quayside/internal/pace"
)

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// idleTimeout is a little shorter than a Quay's own (5 s: doc/quay-api.md
	// section 6), so that it is the client that closes. It has to be
	// short: net/http holds on to the buffers of a closed HTTP/2 connection
	// for as long, and a Quay closes one after 1,000 requests.
	idleTimeout = 4 * time.Second
	// headerTimeout lets a front end's 504 after 60 s through.
	headerTimeout = 65 * time.Second

	maxHeader    = 256 << 10 // bytes of a response's header
	maxRedirects = 5
)

// attemptTime returns how long an attempt may take.
func (s *settings) attemptTime() time.Duration {
	if s.http != nil && s.http.Timeout > 0 {
		return min(s.timeout, s.http.Timeout)
	}
	return s.timeout
}

// transport returns a transport of the client's own. It starts from the
// standard one, which brings HTTP/2 and the proxy of the environment.
func (s *settings) transport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	t.TLSHandshakeTimeout = tlsTimeout
	t.IdleConnTimeout = idleTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxResponseHeaderBytes = maxHeader
	t.MaxIdleConnsPerHost = 100 // the host is always the same
	t.TLSClientConfig = &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    s.roots,
		// Over HTTP/1.1 a Quay closes each connection (doc/quay-api.md
		// section 6): resuming sessions makes the next one cheaper.
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	pace.NameProxy(t)
	return t
}

// checkRedirect follows a few redirects within the server: same scheme, host
// and port. Any other answer stands as it is, and becomes an error that names
// the address: the token must not go there.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || req.URL.User != nil || origin(req.URL) != origin(via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// origin returns the scheme, host and port of a URL.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)
}

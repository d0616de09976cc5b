// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package transport is the base for HTTP that all of quayside's clients share:
// the settings of a connection, and the few functions that every client of a
// registry needs (Retry-After, a wait that ends with its context, a request
// that is sent again, an error that names the proxy).
//
// It keeps no state and makes no decisions: internal/pace and internal/registry
// decide what to repeat, and when.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// idleTimeout is a little shorter than a Quay's own (5 s: doc/quay-api.md
	// section 6), so that the client closes first. It must be short: net/http
	// keeps the buffers of a closed HTTP/2 connection for as long, and a Quay
	// closes a connection after 1,000 requests.
	idleTimeout = 4 * time.Second
	// headerTimeout is longer than the 60 s after which a front end answers 504,
	// so that the client receives that answer.
	headerTimeout = 65 * time.Second

	maxHeader = 256 << 10 // bytes of a response's header
	// streamBuffer bounds what an HTTP/2 server may send ahead of the reader of
	// one body. The default of 4 MiB is 32 MiB for eight bodies; 1 MiB still
	// allows 20 MB/s for each body at 50 ms of latency.
	streamBuffer = 1 << 20
	// idleConns is how many HTTP/1.1 connections to a host are kept unused.
	idleConns = 100
)

// New returns a transport that limits the time to connect, and the time and size
// of a response's header. It does not limit the time for a body: a large blob
// takes long, and internal/pace ends bodies that stall. The transport uses HTTP/2
// and the proxy of the environment. roots are the certificate authorities to
// trust; nil means the system's.
func New(roots *x509.CertPool) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	t.TLSHandshakeTimeout = tlsTimeout
	t.IdleConnTimeout = idleTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxResponseHeaderBytes = maxHeader
	t.MaxIdleConnsPerHost = idleConns
	t.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer}
	t.OnProxyConnectResponse = refusedByProxy
	t.TLSClientConfig = &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		// Over HTTP/1.1 a Quay closes each connection (doc/quay-api.md
		// section 6). Resuming the TLS session makes the next one cheaper.
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	return t
}

// RetryAfter reads a Retry-After header, in seconds or as a date, and returns
// the wait from now on. For a date in the past it returns 0. It returns false if
// the header is missing or invalid.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		const most = 1 << 31 // seconds, about 68 years, which fit into a Duration
		return time.Duration(min(n, most)) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return max(at.Sub(now), 0), true
}

// MediaType returns the media type that a header declares, in lower case and without
// its parameters, or "" if there is none.
func MediaType(h http.Header) string {
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return mediaType
}

// Sleep waits for d. If the context ends first, it returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CanResend reports whether a request has no body, or a body that can be read
// again from its beginning.
func CanResend(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// Resend returns a copy of a request with its body from the beginning. It fails
// if the body cannot be read again.
func Resend(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("the request's body cannot be sent again")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again.Body = body
	return again, nil
}

// HostPort returns the host and port of a URL. The port is the scheme's default
// if the URL names none.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// Origin returns the scheme, host and port of a URL. Two URLs of one origin lead
// to the same server: a credential for one may be sent to the other.
func Origin(u *url.URL) string { return strings.ToLower(u.Scheme) + "://" + HostPort(u) }

// IsOtherProtocol reports whether an error means that the server's certificate
// is not trusted, or that the server uses another protocol. Repeating the request
// does not help.
func IsOtherProtocol(err error) bool {
	return errors.Is(err, http.ErrSchemeMismatch) ||
		errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError))
}

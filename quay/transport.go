// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
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
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	t.TLSHandshakeTimeout = tlsTimeout
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

// An attempt is a transport that bounds each request in time, its body included.
type attempt struct {
	base    http.RoundTripper
	timeout time.Duration
}

// RoundTrip sends req. When the time is over the error says so; it is not the
// context's, which is the caller's own.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), a.timeout)
	b := &timedBody{cancel: cancel}
	b.explain = func(err error) error {
		if err != nil && err != io.EOF && ctx.Err() != nil && req.Context().Err() == nil {
			return fmt.Errorf("no complete answer within %v", a.timeout)
		}
		return err
	}
	resp, err := a.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = b.explain(err)
		cancel()
		return nil, err
	}
	b.ReadCloser, resp.Body = resp.Body, b
	return resp, nil
}

// A timedBody is a body that ends with its attempt's time.
type timedBody struct {
	io.ReadCloser
	cancel  context.CancelFunc
	explain func(error) error
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, b.explain(err)
}

func (b *timedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

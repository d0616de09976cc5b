// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// idleTimeout is a little shorter than a Quay's own (5 s: doc/quay-api.md
	// section 6), so that it is the client that closes. It has to be
	// short: net/http holds on to the buffers of a closed HTTP/2 connection
	// for as long, and a Quay closes one after 1,000 requests.
	idleTimeout = 4 * time.Second
	// headerTimeout lets a front end's 504 after 60 s through. A registry
	// that moves a large blob to its storage may take longer than most
	// answers, but a front end gives it no more.
	headerTimeout = 65 * time.Second

	maxHeader = 256 << 10 // bytes of a response's header
	// streamBuffer bounds what HTTP/2 lets a server send ahead of the reader,
	// for each blob: 4 MiB by default, which is 32 MiB for eight. 1 MiB is
	// 20 MB/s for each at 50 ms of round trip.
	streamBuffer = 1 << 20
)

// NewTransport returns a base for a transport that paces, or for
// [Options.Transport] itself. It starts from the standard one, which brings
// HTTP/2 and the proxy of the environment. roots are the authorities to trust;
// nil is the system's.
//
// There is a bound on the time to connect and to the header of an answer, and
// none on the body: a large blob takes its time. Its silence, and a trickle, have
// one (stall.go).
func NewTransport(roots *x509.CertPool) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	t.TLSHandshakeTimeout = tlsTimeout
	t.IdleConnTimeout = idleTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxResponseHeaderBytes = maxHeader
	t.MaxIdleConnsPerHost = 16
	t.DisableCompression = true // contents are hashed as they are stored
	t.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer}
	t.TLSClientConfig = &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		// Over HTTP/1.1 a Quay closes each connection (doc/quay-api.md
		// section 6): resuming sessions makes the next one cheaper.
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	return t
}

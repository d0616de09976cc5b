// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A ProxyError is an error of the proxy on the way to a server.
type ProxyError struct {
	Proxy  string // host and port; "" if not known
	Status int    // of the proxy's answer; 0 if there was none
	Reason string // the status line of the answer
	Err    error  // why the proxy could not be reached; nil if it answered
}

// Error names the proxy and the variables that its address comes from.
func (e *ProxyError) Error() string {
	name := "the proxy"
	if e.Proxy != "" {
		name += " " + e.Proxy
	}
	name += " (HTTPS_PROXY or HTTP_PROXY)"
	if e.Err != nil {
		return name + ": " + e.Err.Error()
	}
	if e.Status == http.StatusProxyAuthRequired {
		return name + ": 407: it requires a user and a password, as in http://USER:PASSWORD@HOST:PORT"
	}
	return fmt.Sprintf("%s refuses the connection: %s", name, e.Reason)
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// IsPermanent reports whether the proxy will refuse the next request the same way.
func (e *ProxyError) IsPermanent() bool {
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

// refusedByProxy is the OnProxyConnectResponse function of an http.Transport.
func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	reason := resp.Status
	if reason == "" {
		reason = strconv.Itoa(resp.StatusCode)
	}
	return &ProxyError{Proxy: proxy.Host, Status: resp.StatusCode, Reason: reason}
}

// NameProxy turns an error of reaching a proxy into a [ProxyError], and returns
// any other error unchanged.
func NameProxy(err error) error {
	if errors.As(err, new(*ProxyError)) {
		return err
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "proxyconnect" && !strings.HasPrefix(op.Op, "socks ") {
		return err
	}
	e := &ProxyError{Err: op.Err}
	if dial, ok := errors.AsType[*net.OpError](op.Err); ok && dial.Addr != nil {
		e.Proxy = dial.Addr.String()
	} else if dns, ok := errors.AsType[*net.DNSError](op.Err); ok {
		e.Proxy = dns.Name
	}
	return e
}

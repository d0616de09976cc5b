// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

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

// A ProxyError is an error of the proxy that is on the way to a server, and not
// of the server.
type ProxyError struct {
	Proxy  string // its host; "" if that is not known
	Status int    // of its answer; 0 when there was none
	Reason string // what its answer says, as in the status line
	Err    error  // why it could not be reached; nil when it answered
}

// Error names the proxy, and where its address comes from.
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
		return name + ": 407: it wants a name and a password, as in http://USER:PASSWORD@HOST:PORT"
	}
	return fmt.Sprintf("%s refuses the connection: %s", name, e.Reason)
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// NameProxy makes the errors of a proxy that a transport meets a [ProxyError].
// It is for a transport that is not in use yet.
func NameProxy(t *http.Transport) {
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		reason := resp.Status
		if reason == "" {
			reason = strconv.Itoa(resp.StatusCode)
		}
		return &ProxyError{Proxy: proxy.Host, Status: resp.StatusCode, Reason: reason}
	}
}

// proxied makes an error of reaching a proxy a ProxyError, and leaves others as
// they are.
func proxied(err error) error {
	var answered *ProxyError
	if errors.As(err, &answered) {
		return err
	}
	if of, ok := errors.AsType[*net.OpError](err); ok && (of.Op == "proxyconnect" || strings.HasPrefix(of.Op, "socks ")) {
		e := &ProxyError{Err: of.Err}
		if dial, ok := errors.AsType[*net.OpError](of.Err); ok && dial.Addr != nil {
			e.Proxy = dial.Addr.String()
		} else if dns, ok := errors.AsType[*net.DNSError](of.Err); ok {
			e.Proxy = dns.Name
		}
		return e
	}
	return err
}

// refusesForGood reports whether a proxy will refuse the next request the same way.
func (e *ProxyError) refusesForGood() bool {
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

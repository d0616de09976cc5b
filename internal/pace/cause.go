// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// down tells whether a status means that a server is down for now. A Quay
// answers 500 to what will fail again the same way (doc/quay-api.md section 3),
// so 500 is not among them.
func down(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 520: // an external service behind the registry failed
		return true
	}
	return false
}

// permanent tells whether an error would be the same the next time: a name
// that does not exist, a certificate that is not trusted, a port that speaks
// another protocol, a body that is too large.
func permanent(err error) bool {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if proxy, ok := errors.AsType[*ProxyError](err); ok && proxy.refusesForGood() {
		return true
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// RetryAfter reads a Retry-After header in both of its forms, seconds and a
// date, as the wait from now on. A date in the past is no wait. It is false
// without such a header, and when the header makes no sense.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		const most = 1 << 31 // some 68 years of seconds: a Duration holds them
		return time.Duration(min(n, most)) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return max(at.Sub(now), 0), true
}

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

// down tells whether a status means that a server is down for now. 500 is not
// among them: a Quay answers it to what will fail again the same way
// (doc/quay-api.md section 3), too. See suspect.go.
func down(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 520: // an external service behind the registry failed
		return true
	}
	return false
}

// noName reports whether an error is a name that does not exist. A name that
// went away after its host has answered may come back.
func noName(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// permanent tells whether an error would be the same the next time: a
// certificate that is not trusted, a port that speaks another protocol, a body
// that is too large.
func permanent(err error) bool {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, ErrSwitched) || isOutage(err) {
		return true
	}
	if proxy, ok := errors.AsType[*ProxyError](err); ok && proxy.refusesForGood() {
		return true
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

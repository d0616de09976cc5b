// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"errors"
	"net"
	"net/http"

	"github.com/quayside/quayside/internal/transport"
)

// down reports whether a status means that a server is down for now. 500 does not: a
// Quay also answers 500 to what will fail again (doc/quay-api.md section 3). See
// control.go.
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

// permanent reports whether the next attempt would fail the same way: a certificate
// that is not trusted, a port that speaks another protocol, a body that is too large.
func permanent(err error) bool {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrSwitched) || isOutage(err) || transport.IsOtherProtocol(err) {
		return true
	}
	proxy, ok := errors.AsType[*transport.ProxyError](err)
	return ok && proxy.IsPermanent()
}

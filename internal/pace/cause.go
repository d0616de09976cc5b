// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"errors"
	"net"
	"net/http"

	"github.com/quayside/quayside/internal/transport"
)

// down tells whether a status means that a server is down for now. 500 is not
// among them: a Quay answers it to what will fail again the same way
// (doc/quay-api.md section 3), too. See control.go.
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
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrSwitched) || isOutage(err) || transport.IsOtherProtocol(err) {
		return true
	}
	proxy, ok := errors.AsType[*transport.ProxyError](err)
	return ok && proxy.IsPermanent()
}

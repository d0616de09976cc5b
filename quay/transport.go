// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"net/http"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

const maxRedirects = 5

// attemptTime returns how long an attempt may take.
func (s *settings) attemptTime() time.Duration {
	if s.http != nil && s.http.Timeout > 0 {
		return min(s.timeout, s.http.Timeout)
	}
	return s.timeout
}

// checkRedirect follows a few redirects within the server: same scheme, host
// and port. Any other answer stands as it is, and becomes an error that names
// the address: the token must not go there.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || req.URL.User != nil || transport.Origin(req.URL) != transport.Origin(via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

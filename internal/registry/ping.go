// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"net/http"
)

// Ping reports whether a server answers at the registry's address. Any status counts
// as an answer. The request carries no credential, and redirects are not followed.
func (r *Registry) Ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/v2/", nil)
	if err != nil {
		return r.failed("ask", r.host, err)
	}
	resp, err := r.sendAnonymous(req)
	if err != nil {
		return r.failed("ask", r.host, err)
	}
	closeBody(resp)
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"net/http"
)

// Ping finds out whether anything answers where the registry should be. Every
// answer will do, also one that denies or finds nothing; an error says why there
// was none. It carries no credential, and follows no redirect.
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

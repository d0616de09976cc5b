// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"net/http"
)

// Writable finds out whether the repository can be pushed to: it opens an upload
// session and ends it. [ErrDenied] says no; what else goes wrong says nothing
// about that. A registry that makes repositories when they are pushed to may make
// this one.
func (r *Repository) Writable(ctx context.Context) error {
	const op = "begin to push to"
	resp, err := r.session(ctx, need{repository: r.name, push: true})
	if err != nil {
		return r.registry.failed(op, r.String(), err)
	}
	if resp.StatusCode != http.StatusAccepted {
		defer closeBody(resp)
		return r.registry.refused(op, r.String(), resp)
	}
	return r.cancel(ctx, op, r.String(), resp)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "context"

// CheckPush reports whether uploads to the repository are possible: it opens an upload
// session and cancels it. The error is [ErrDenied] if we may not push, [ErrLogin] if
// the credentials are the cause, and [ErrRedirect] if uploads lead to another host. The
// registry may create the repository.
func (r *Repository) CheckPush(ctx context.Context) error {
	const op = "begin to push to"
	answer, err := r.session(ctx, scope{repository: r.name, push: true})
	if err != nil {
		return r.registry.failed(op, r.String(), err)
	}
	return r.cancel(ctx, op, r.String(), answer)
}

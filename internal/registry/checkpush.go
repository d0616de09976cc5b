// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
)

// CheckPush finds out whether the repository can be pushed to: it opens an upload
// session and ends it. [ErrDenied] says that we may not, [ErrLogin] among them
// that the credentials are the trouble, and [ErrRedirect] that uploads are to go
// where they cannot. A registry that makes repositories when they are pushed to
// may make this one.
func (r *Repository) CheckPush(ctx context.Context) error {
	const op = "begin to push to"
	answer, err := r.session(ctx, scope{repository: r.name, push: true})
	if err != nil {
		return r.registry.failed(op, r.String(), err)
	}
	return r.cancel(ctx, op, r.String(), answer)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"net/http"
)

// Admits finds out whether the registry takes the credentials that there are for
// the repository, or lets push without. [ErrDenied] says no. It changes nothing,
// and so does not tell whether the credentials may push: a Quay makes the
// repository when somebody asks that (doc/quay-api.md section 5).
func (r *Repository) Admits(ctx context.Context) error {
	const op = "log in to"
	host := r.registry.host
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.registry.origin+"/v2/", nil)
	if err != nil {
		return r.registry.failed(op, host, err)
	}
	who, err := r.registry.credential(ctx, r.name)
	if err != nil {
		return r.registry.failed(op, host, err)
	}
	wanted := need{repository: r.name, push: who.IsZero()}
	resp, _, err := r.registry.do(req, wanted)
	if err != nil {
		return r.registry.failed(op, host, err)
	}
	defer closeBody(resp)
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		refused := r.registry.refused(op, host, resp)
		refused.Hint = "" // it is of a repository
		return refused
	}
	if t := r.registry.tokens.find(wanted); who.IsZero() && t != nil && t.denies(wanted) {
		return &Error{Op: op, Subject: host, Message: "nobody may push without credentials, and there are none", kind: ErrDenied}
	}
	return nil
}

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
	who, lookup := r.registry.credential(ctx, r.name)
	wanted := need{repository: r.name, push: who.IsZero()}
	answer, err := r.registry.do(req, wanted)
	if err != nil {
		return r.registry.failed(op, host, err)
	}
	defer closeBody(answer.Response)
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		refused := r.registry.refused(op, host, answer)
		if !who.IsZero() && answer.StatusCode == http.StatusUnauthorized {
			refused.Hint, refused.kind = "it does not take the credentials: log in to it again, with "+login(host), ErrLogin
		}
		return refused
	}
	t := r.registry.tokens.find(wanted)
	switch {
	case !who.IsZero() || t == nil || !t.denies(wanted):
		return nil
	case lookup != nil:
		return r.registry.failed(op, host, lookup)
	}
	return &Error{Op: op, Subject: host, Message: "nobody may push without credentials, and there are none", Hint: login(host), kind: ErrLogin}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// CheckCredentials reports whether the registry accepts the credentials for the
// repository, or lets anonymous clients push. Otherwise the error is [ErrLogin]. The check
// changes nothing: it does not request push access, because a Quay creates the repository
// on such a request (doc/quay-api.md section 5).
func (r *Repository) CheckCredentials(ctx context.Context) error {
	who, lookup := r.registry.credential(ctx, r.name)
	want := scope{repository: r.name, push: who.IsZero()}
	err := r.login(ctx, want, who)
	t := r.registry.tokens.find(want)
	switch {
	case err != nil || !who.IsZero() || t == nil || !t.denies(want):
		return err
	case lookup != nil:
		return r.registry.failed(opLogin, r.registry.host, lookup)
	}
	return &Error{Op: opLogin, Subject: r.registry.host, Message: "pushing needs credentials, and none are stored", Hint: login(r.registry.host), kind: ErrLogin}
}

// CheckLogin reports whether the registry accepts the credentials for the repository.
// Without credentials it sends nothing. The error is [ErrLogin] if the registry refuses
// them.
func (r *Repository) CheckLogin(ctx context.Context) error {
	who, err := r.registry.credential(ctx, r.name)
	if err != nil || who.IsZero() {
		return nil // the repository may be public
	}
	return r.login(ctx, scope{repository: r.name}, who)
}

const opLogin = "log in to"

// login requests the registry's root, with the token of a scope.
func (r *Repository) login(ctx context.Context, want scope, who Credential) error {
	host := r.registry.host
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.registry.base+"/v2/", nil)
	if err != nil {
		return r.registry.failed(opLogin, host, err)
	}
	answer, err := r.registry.do(req, want)
	if err != nil {
		return r.registry.failed(opLogin, host, err)
	}
	defer closeBody(answer.Response)
	t := r.registry.tokens.find(want)
	switch {
	case t != nil && t.withheld != "":
		return &Error{Op: opLogin, Subject: host, Message: withheld(host, t.withheld), kind: ErrLogin}
	case answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden:
		return nil
	}
	refused := r.registry.refused(opLogin, host, answer)
	if !who.IsZero() && answer.StatusCode == http.StatusUnauthorized && !answer.crossOrigin && t != nil && t.scheme == auth.SchemeBasic {
		refused.Hint, refused.kind = "the credentials are refused; log in again: "+login(host), ErrLogin
	}
	return refused
}

// CheckPush reports whether uploads to the repository are possible: it opens an upload
// session and cancels it. The error is [ErrDenied] if push access is denied, [ErrLogin] if
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

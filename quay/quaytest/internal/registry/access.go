// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"slices"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// notAuthorized is the message to a caller without a right.
const notAuthorized = "access to the requested resource is not authorized"

// allows reports whether the token grants one of some actions on a repository. A nil
// token grants none.
func (c *claims) allows(name string, actions ...string) bool {
	return c != nil && slices.ContainsFunc(c.Access, func(g access) bool {
		return g.Name == name && slices.ContainsFunc(actions, func(action string) bool { return slices.Contains(g.Actions, action) })
	})
}

// pulls reports whether the token allows pulling from a repository. Each action
// includes the lesser ones.
func (c *claims) pulls(name string) bool { return c.allows(name, "pull", "push", "*") }

// pushes reports whether the token allows pushing to a repository.
func (c *claims) pushes(name string) bool { return c.allows(name, "push", "*") }

// bearer returns the registry token of a request, or nil if it has none. If the
// token is not valid, bearer answers and reports false. Basic credentials are only
// for the token endpoint (doc/quay-api.md section 3; recording registry-ping).
func (a *API) bearer(w http.ResponseWriter, r *http.Request, name, actions string) (*claims, bool) {
	authorization := strings.TrimSpace(r.Header.Get("Authorization"))
	if authorization == "" {
		return nil, true
	}
	_, service, _ := strings.Cut(a.origin(r), "://")
	c, refused := a.signer().check(authorization, service, a.Now())
	if refused != "" {
		a.challenge(w, r, name, actions)
		wire.SendError(w, r, http.StatusUnauthorized, refused)
		return nil, false
	}
	return &c, true
}

// readable returns a repository that the caller may pull from; nil if it is missing
// but the caller's token names it. If the caller may not, readable answers and
// reports false: a missing repository looks like a private one. A public repository
// needs no token, and accepts a token for another repository (doc/quay-api.md
// section 5 and "Recorded").
func (a *API) readable(w http.ResponseWriter, r *http.Request, name string) (*store.Repository, bool) {
	token, ok := a.bearer(w, r, name, toPull)
	if !ok {
		return nil, false
	}
	repository := a.repository(name)
	public := repository != nil && repository.Public && a.Store.AnonymousAccess()
	if !public && !token.pulls(name) {
		a.unauthorized(w, r, name, toPull, notAuthorized)
		return nil, false
	}
	return repository, true
}

// existing is readable for routes that answer 404 if the repository is missing.
func (a *API) existing(w http.ResponseWriter, r *http.Request, name string) *store.Repository {
	repository, ok := a.readable(w, r, name)
	if ok && repository == nil {
		nameUnknown(w, r)
	}
	return repository
}

// writable returns the registry token of a caller who may push to a repository that
// exists. Otherwise it answers and returns nil.
func (a *API) writable(w http.ResponseWriter, r *http.Request, name string) *claims {
	token, ok := a.bearer(w, r, name, toPush)
	switch {
	case !ok:
		return nil
	case !token.pushes(name):
		a.unauthorized(w, r, name, toPush, notAuthorized)
		return nil
	case a.repository(name) == nil:
		nameUnknown(w, r)
		return nil
	}
	return token
}

// nameUnknown answers for a repository that a token names and that does not exist.
func nameUnknown(w http.ResponseWriter, r *http.Request) {
	sendError(w, r, http.StatusNotFound, "NAME_UNKNOWN", "repository not found", struct{}{})
}

// repository returns a repository by its full name, or nil.
func (a *API) repository(name string) *store.Repository {
	return a.Store.Repository(store.SplitName(name))
}

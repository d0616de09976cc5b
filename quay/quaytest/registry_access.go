// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"slices"
	"strings"
)

// notAuthorized is the registry's answer to whoever lacks a right.
const notAuthorized = "access to the requested resource is not authorized"

// allows reports whether the token gives its holder one of some rights on a
// repository by name. No token is nil.
func (c *claims) allows(name string, actions ...string) bool {
	return c != nil && slices.ContainsFunc(c.Access, func(a access) bool {
		return a.Name == name && slices.ContainsFunc(actions, func(action string) bool { return slices.Contains(a.Actions, action) })
	})
}

// pulls reports whether the token lets its holder pull from a repository. Each
// right includes the lesser ones.
func (c *claims) pulls(name string) bool { return c.allows(name, "pull", "push", "*") }

// pushes reports whether the token lets its holder push to a repository.
func (c *claims) pushes(name string) bool { return c.allows(name, "push", "*") }

// bearer gives the registry token that came with a request, nil when none
// did, and false when it has answered that the token is not good. Nothing but
// a registry token will do: Basic credentials are for the token endpoint
// (doc/quay-api.md section 3; recording registry-ping).
func (h *Handler) bearer(w http.ResponseWriter, r *http.Request, name, actions string) (*claims, bool) {
	authorization := strings.TrimSpace(r.Header.Get("Authorization"))
	if authorization == "" {
		return nil, true
	}
	_, service, _ := strings.Cut(h.origin(r), "://")
	c, refused := h.registry.signer().check(authorization, service, h.now())
	if refused != "" {
		h.challenge(w, r, name, actions)
		sendRefusal(w, r, http.StatusUnauthorized, refused)
		return nil, false
	}
	return &c, true
}

// readable reports whether the caller may pull from a repository, and gives
// the repository: nil if it is missing and the caller's token names it all the
// same. If he may not, it answers: a repository that is missing and one that
// is private look alike. A public one needs no token, and takes one for
// another repository (doc/quay-api.md section 5 and "Recorded").
func (h *Handler) readable(w http.ResponseWriter, r *http.Request, name string) (*Repository, bool) {
	token, ok := h.bearer(w, r, name, toPull)
	if !ok {
		return nil, false
	}
	repository := h.pullable(name)
	open := repository != nil && repository.Public && h.admitsAnonymous()
	if !open && !token.pulls(name) {
		h.unauthorized(w, r, name, toPull, notAuthorized)
		return nil, false
	}
	return repository, true
}

// existing is readable for what answers 404 for a repository that is missing.
func (h *Handler) existing(w http.ResponseWriter, r *http.Request, name string) *Repository {
	repository, ok := h.readable(w, r, name)
	if ok && repository == nil {
		nameUnknown(w, r)
	}
	return repository
}

// writable gives the registry token of a caller who may push to a repository
// that exists. Otherwise it answers, and gives nil.
func (h *Handler) writable(w http.ResponseWriter, r *http.Request, name string) *claims {
	token, ok := h.bearer(w, r, name, toPush)
	switch {
	case !ok:
		return nil
	case !token.pushes(name):
		h.unauthorized(w, r, name, toPush, notAuthorized)
		return nil
	case h.pullable(name) == nil:
		nameUnknown(w, r)
		return nil
	}
	return token
}

// nameUnknown answers for a repository that a token names and the server lacks.
func nameUnknown(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusNotFound, "NAME_UNKNOWN", "repository not found", struct{}{})
}

// pullable gives a repository by its full name, or nil: there is none, or the
// quirk vanish has taken it away.
func (h *Handler) pullable(name string) *Repository {
	if gone, on := h.cfg.shape.quirk("vanish"); on && gone == name {
		return nil
	}
	return h.st.repo(splitRepository(name))
}

// admitsAnonymous tells whether public repositories need no token
// (doc/quay-api.md section 3, FEATURE_ANONYMOUS_ACCESS).
func (h *Handler) admitsAnonymous() bool {
	_, off := h.cfg.shape.quirk("no-anonymous")
	return !off
}

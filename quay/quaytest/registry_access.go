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

// pulls tells whether the token lets its holder pull from a repository by
// name. No token is nil.
func (c *claims) pulls(name string) bool {
	return c != nil && slices.ContainsFunc(c.Access, func(a access) bool {
		return a.Name == name && slices.Contains(a.Actions, "pull")
	})
}

// bearer gives the registry token that came with a request, nil when none
// did, and false when it has answered that the token is not good. Nothing but
// a registry token will do: Basic credentials are for the token endpoint
// (doc/quay-api.md section 3; recording registry-ping).
func (h *Handler) bearer(w http.ResponseWriter, r *http.Request, name string) (*claims, bool) {
	authorization := strings.TrimSpace(r.Header.Get("Authorization"))
	if authorization == "" {
		return nil, true
	}
	c, refused := h.registry.signer().check(authorization, h.now())
	if refused != "" {
		challenge(w, r, name)
		sendRefusal(w, r, http.StatusUnauthorized, refused)
		return nil, false
	}
	return &c, true
}

// readable gives a repository that the caller may pull from. Otherwise it
// answers, and gives nil: one that is missing and one that is private look
// alike, unless a token names it. A public one needs no token, and takes one
// for another repository (doc/quay-api.md section 5 and "Recorded").
func (h *Handler) readable(w http.ResponseWriter, r *http.Request, name string) *Repository {
	token, ok := h.bearer(w, r, name)
	if !ok {
		return nil
	}
	repository := h.pullable(name)
	open := repository != nil && repository.Public && h.admitsAnonymous()
	switch {
	case !open && !token.pulls(name):
		unauthorized(w, r, name, notAuthorized)
		return nil
	case repository == nil:
		refuse(w, r, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry", struct{}{})
	}
	return repository
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// serveOrganization answers GET /api/v1/organization/NAME. Anyone may know
// that an organization exists; a user is none (recording
// namespace-organization). What more an owner is told is not recorded.
func (h *Handler) serveOrganization(q call) {
	n := h.st.namespaces[q.route.namespace]
	switch {
	case n == nil || n.kind != "organization":
		sendProblem(q.w, q.r, problemNotFound)
		return
	case q.caller.badScope:
		sendCrash(q.w, q.r)
		return
	}
	admin := n.ownedBy(q.caller.user) && q.caller.has("org:admin")
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"name": `...), n.name)
		b = appendAvatar(append(b, `, "email": "", "avatar": `...), n.name)
		b = appendBool(append(b, `, "is_admin": `...), admin)
		b = appendBool(append(b, `, "is_member": `...), admin)
		return append(b, '}')
	})
}

// serveUsers answers GET /api/v1/users/NAME: for anyone the same, disabled
// users too. For a name that is no user, an organization's too, it is 404 with
// the framework's own body (doc/quay-api.md, "Corrections").
func (h *Handler) serveUsers(q call) {
	switch u := h.st.users[q.route.namespace]; {
	case u == nil:
		sendMessage(q.w, q.r, http.StatusNotFound, notFoundMessage)
	case q.caller.badScope:
		sendCrash(q.w, q.r)
	default:
		sendUser(q, u.Name)
	}
}

// serveUser answers GET /api/v1/user/: who the caller is, for a token that
// may know. Any other is told that there is no user at all (doc/quay-api.md
// section 3, "Detection"; recording user-self). Of the good answer only the
// status is a known fact.
func (h *Handler) serveUser(q call) {
	switch {
	case q.caller.badScope:
		sendCrash(q.w, q.r)
	case q.caller.user == "" || !q.caller.has("user:read"):
		sendProblem(q.w, q.r, problemNoUser)
	default:
		sendUser(q, q.caller.user)
	}
}

// sendUser answers with what everyone may know of a user.
func sendUser(q call, name string) {
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"anonymous": false, "username": `...), name)
		return append(appendAvatar(append(b, `, "avatar": `...), name), '}')
	})
}

// appendAvatar appends the picture of an account. Hash and color differ from
// server to server.
func appendAvatar(b []byte, name string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	b = appendText(append(b, `{"name": `...), name)
	b = append(b, `, "hash": "`...)
	b = hex.AppendEncode(b, sum[:])
	b = append(b, `", "color": "#`...)
	b = hex.AppendEncode(b, sum[:3])
	return append(b, `", "kind": "user"}`...)
}

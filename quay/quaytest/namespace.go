// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// serveOrganization answers GET /api/v1/organization/NAME. Anyone may know
// that an organization exists; a user is none (recording
// namespace-organization).
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
	owner := q.caller.user != "" && slices.Contains(n.owners, q.caller.user)
	admin := owner && q.caller.has("org:admin")
	member := owner && q.caller.has("org:admin", "repo:create")
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"name": `...), n.name)
		b = appendAvatar(append(b, `, "email": "", "avatar": `...), n.name)
		b = appendBool(append(b, `, "is_admin": `...), admin)
		b = appendBool(append(b, `, "is_member": `...), member)
		return append(b, '}')
	})
}

// serveUsers answers GET /api/v1/users/NAME: an organization is none, and
// nothing private is told (doc/quay-api.md section 5).
func (h *Handler) serveUsers(q call) {
	switch u := h.st.users[q.route.namespace]; {
	case u == nil:
		sendProblem(q.w, q.r, problemNotFound)
	case q.caller.badScope:
		sendCrash(q.w, q.r)
	default:
		sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(appendUser(b, u.Name), '}') })
	}
}

// serveUser answers GET /api/v1/user/: who the caller is, for a token that
// may know. Any other is told that there is no user at all (doc/quay-api.md
// section 3, "Detection"; recording user-self).
func (h *Handler) serveUser(q call) {
	switch {
	case q.caller.badScope:
		sendCrash(q.w, q.r)
	case q.caller.user == "" || !q.caller.has("user:read", "user:admin"):
		sendProblem(q.w, q.r, problemNoUser)
	default:
		sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
			b = append(appendUser(b, q.caller.user), `, "organizations": [`...)
			first := true
			for _, n := range h.st.owned[q.caller.user] {
				if n.kind != "organization" {
					continue
				}
				if !first {
					b = append(b, ", "...)
				}
				first = false
				b = appendText(append(b, `{"name": `...), n.name)
				b = appendAvatar(append(b, `, "avatar": `...), n.name)
				b = appendBool(append(b, `, "can_create_repo": `...), q.caller.has("repo:create", "org:admin"))
				b = append(b, `, "public": false}`...)
			}
			return append(b, "]}"...)
		})
	}
}

// appendUser appends what everyone may know of a user, as an open object.
func appendUser(b []byte, name string) []byte {
	b = appendText(append(b, `{"anonymous": false, "username": `...), name)
	return appendAvatar(append(b, `, "avatar": `...), name)
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

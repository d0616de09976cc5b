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
// namespace-organization). What more a member is told, with a token that allows
// it, is read in Quay's source (endpoints/api/organization.py).
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
	owner := n.ownedBy(q.caller.user)
	admin := owner && q.caller.has("org:admin")
	member := admin || owner && q.caller.has("repo:create")
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"name": `...), n.name)
		b = appendAvatar(append(b, `, "email": "", "avatar": `...), n.name, "user")
		b = appendBool(append(b, `, "is_admin": `...), admin)
		b = appendBool(append(b, `, "is_member": `...), member)
		if member {
			b = appendAvatar(append(b, `, "teams": {"owners": {"name": "owners", "description": "", "role": "admin", "avatar": `...), "owners", "team")
			b = appendNumber(append(b, `, "can_view": true, "repo_count": 0, "member_count": `...), int64(len(n.owners)), "")
			b = append(b, `, "is_synced": false}}, "ordered_teams": ["owners"]`...)
		}
		if admin {
			b = append(b, `, "invoice_email": false, "invoice_email_address": null, "tag_expiration_s": 1209600, "is_free_account": true`...)
		}
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
		sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(appendUser(b, u.Name), '}') })
	}
}

// serveUser answers GET /api/v1/user/: who the caller is, for a token that
// may know. Any other is told that there is no user at all (doc/quay-api.md
// section 3, "Detection"; recording user-self). That the good answer has the
// caller's organizations is read in Quay's source (endpoints/api/user.py); what
// the scope user:admin adds is left out.
func (h *Handler) serveUser(q call) {
	c := q.caller
	switch {
	case c.badScope:
		sendCrash(q.w, q.r)
		return
	case c.user == "" || !c.has("user:read") && !c.has("user:admin"):
		sendProblem(q.w, q.r, problemNoUser)
		return
	}
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(appendUser(b, c.user), `, "organizations": [`...)
		first := true
		for _, n := range h.st.owned[c.user] {
			if n.kind != "organization" {
				continue
			}
			if !first {
				b = append(b, ", "...)
			}
			first = false
			b = appendText(append(b, `{"name": `...), n.name)
			b = appendAvatar(append(b, `, "avatar": `...), n.name, "org")
			b = appendBool(append(b, `, "can_create_repo": `...), h.st.mayCreate(c, n.name))
			b = append(b, `, "public": false}`...)
		}
		return append(b, "]}"...)
	})
}

// appendUser begins an object with what everyone may know of a user.
func appendUser(b []byte, name string) []byte {
	b = appendText(append(b, `{"anonymous": false, "username": `...), name)
	return appendAvatar(append(b, `, "avatar": `...), name, "user")
}

// appendAvatar appends the picture of an account or team. Hash and color differ
// from server to server.
func appendAvatar(b []byte, name, kind string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	b = appendText(append(b, `{"name": `...), name)
	b = append(b, `, "hash": "`...)
	b = hex.AppendEncode(b, sum[:])
	b = append(b, `", "color": "#`...)
	b = hex.AppendEncode(b, sum[:3])
	return append(appendText(append(b, `", "kind": `...), kind), '}')
}

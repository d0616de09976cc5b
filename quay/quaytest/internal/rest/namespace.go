// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// serveOrganization answers GET /api/v1/organization/NAME. Anyone may know that an
// organization exists; a user is not one (recording namespace-organization). What
// members see in addition is from Quay's source (endpoints/api/organization.py).
func (a *API) serveOrganization(q call) {
	n := a.Store.Namespace(q.route.namespace)
	switch {
	case n == nil || n.Kind != store.KindOrganization:
		wire.SendProblem(q.w, q.r, wire.NotFound)
		return
	case q.caller.BadScope:
		wire.SendCrash(q.w, q.r)
		return
	}
	owner := n.OwnedBy(q.caller.User)
	admin := owner && q.caller.Has("org:admin")
	member := admin || owner && q.caller.Has("repo:create")
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = wire.AppendString(append(b, `{"name": `...), n.Name)
		b = appendAvatar(append(b, `, "email": "", "avatar": `...), n.Name, "user")
		b = wire.AppendBool(append(b, `, "is_admin": `...), admin)
		b = wire.AppendBool(append(b, `, "is_member": `...), member)
		if member {
			b = appendAvatar(append(b, `, "teams": {"owners": {"name": "owners", "description": "", "role": "admin", "avatar": `...), "owners", "team")
			b = wire.AppendInt(append(b, `, "can_view": true, "repo_count": 0, "member_count": `...), int64(len(n.Owners)), "")
			b = append(b, `, "is_synced": false}}, "ordered_teams": ["owners"]`...)
		}
		if admin {
			b = append(b, `, "invoice_email": false, "invoice_email_address": null, "tag_expiration_s": 1209600, "is_free_account": true`...)
		}
		return append(b, '}')
	})
}

// serveUsers answers GET /api/v1/users/NAME. The answer is the same for every
// caller and for disabled users. The name of an organization is 404, as any name
// that is not a user's, with the framework's own body (doc/quay-api.md,
// "Corrections").
func (a *API) serveUsers(q call) {
	switch u := a.Store.User(q.route.namespace); {
	case u == nil:
		wire.SendMessage(q.w, q.r, http.StatusNotFound, wire.NoSuchURL)
	case q.caller.BadScope:
		wire.SendCrash(q.w, q.r)
	default:
		wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(appendUser(b, u.Name), '}') })
	}
}

// serveUser answers GET /api/v1/user/ with the caller's account, if the token's
// scope allows that, and otherwise as if there were no user (doc/quay-api.md
// section 3, "Detection"; recording user-self). The list of organizations is from
// Quay's source (endpoints/api/user.py); the additions of the scope user:admin are
// left out.
func (a *API) serveUser(q call) {
	c := q.caller
	switch {
	case c.BadScope:
		wire.SendCrash(q.w, q.r)
		return
	case c.User == "" || !c.Has("user:read") && !c.Has("user:admin"):
		wire.SendProblem(q.w, q.r, wire.NoUser)
		return
	}
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(appendUser(b, c.User), `, "organizations": [`...)
		first := true
		for _, n := range a.Store.Owned(c.User) {
			if n.Kind != store.KindOrganization {
				continue
			}
			if !first {
				b = append(b, ", "...)
			}
			first = false
			b = wire.AppendString(append(b, `{"name": `...), n.Name)
			b = appendAvatar(append(b, `, "avatar": `...), n.Name, "org")
			b = wire.AppendBool(append(b, `, "can_create_repo": `...), a.Store.CanCreate(c, n.Name))
			b = append(b, `, "public": false}`...)
		}
		return append(b, "]}"...)
	})
}

// appendUser begins an object with the public part of a user.
func appendUser(b []byte, name string) []byte {
	b = wire.AppendString(append(b, `{"anonymous": false, "username": `...), name)
	return appendAvatar(append(b, `, "avatar": `...), name, "user")
}

// appendAvatar appends the avatar of an account or team. Hash and color differ from
// server to server.
func appendAvatar(b []byte, name, kind string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	b = wire.AppendString(append(b, `{"name": `...), name)
	b = append(b, `, "hash": "`...)
	b = hex.AppendEncode(b, sum[:])
	b = append(b, `", "color": "#`...)
	b = hex.AppendEncode(b, sum[:3])
	return append(wire.AppendString(append(b, `", "kind": `...), kind), '}')
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// A caller is who a request comes from. The zero value is anonymous.
type caller struct {
	user     string   // account the request acts for; "" for a robot and for nobody
	robot    string   // "organization+name" when a robot asks
	oauth    bool     // an application token, whose scopes bound what the account may do
	scopes   []string // of that token
	badScope bool     // its stored scope has a word no Quay knows: every check of rights is a 500
}

// known tells whether the server recognised an account.
func (c caller) known() bool { return c.user != "" || c.robot != "" }

// has tells whether an application token has a scope. A caller without
// application token is not bound by scopes.
func (c caller) has(scope string) bool { return !c.oauth || slices.Contains(c.scopes, scope) }

// A role is what an account may do with a repository.
type role uint8

const (
	roleNone role = iota
	roleRead
	roleWrite
	roleAdmin
)

// roleOf gives the role that a permission of a dataset names.
func roleOf(name string) role {
	switch name {
	case "read":
		return roleRead
	case "write":
		return roleWrite
	case "admin":
		return roleAdmin
	}
	return roleNone
}

// knownScopes is every word a token's scope may have, and the highest role
// on a repository that it gives (doc/quay-api.md section 4, "Scopes").
var knownScopes = map[string]role{
	"repo:read":   roleRead,
	"repo:write":  roleWrite,
	"repo:admin":  roleAdmin,
	"repo:create": roleNone,
	"user:read":   roleNone,
	"user:admin":  roleNone,
	"org:admin":   roleNone,
	"super:user":  roleNone,
}

// limit cuts a role to the highest that the caller's scopes allow.
func (c caller) limit(r role) role {
	if !c.oauth {
		return r
	}
	most := roleNone
	for _, s := range c.scopes {
		most = max(most, knownScopes[s])
	}
	return min(r, most)
}

// role gives what a caller may do with a repository by his own right, that
// is without its being public. The repository need not exist: an owner has
// rights on all there is and might be in his namespace.
func (s *state) role(c caller, namespace, name string) role {
	if s.namespaces[namespace].ownedBy(c.user) {
		return c.limit(roleAdmin)
	}
	id, ok := s.find(namespace, name)
	if !ok {
		return roleNone
	}
	account := c.user
	if c.robot != "" {
		account = c.robot
	}
	if v := s.pushed.version(id); v != nil && v.maker != "" && v.maker == account {
		return c.limit(roleAdmin)
	}
	return c.limit(s.roles[account][id])
}

// canRead tells whether the caller may read the repository: it is public,
// or he owns its namespace or has a direct permission, and his token's scope
// allows reading (doc/quay-api.md sections 3 and 4).
func (s *state) canRead(c caller, r *Repository) bool {
	return r.Public || s.role(c, r.Namespace, r.Name) >= roleRead
}

// isAdmin tells whether the caller may read whatever a namespace has, and is
// told when it has not: an owner of the organization, or the user himself,
// with a token that may read repositories.
func (s *state) isAdmin(c caller, namespace string) bool {
	return s.namespaces[namespace].ownedBy(c.user) && c.limit(roleAdmin) >= roleRead
}

// ownedBy tells whether a user, "" for none, owns the namespace; nil is nobody's.
func (n *namespace) ownedBy(user string) bool {
	return n != nil && user != "" && slices.Contains(n.owners, user)
}

// bearer gives who an application token acts for. Unknown and expired tokens
// and those of a disabled user act for nobody (doc/quay-api.md section 3).
func (s *state) bearer(token string) (caller, bool) {
	c, ok := s.callers[token]
	return c, ok
}

// addTokens works out who each token acts for.
func (s *state) addTokens() {
	for i := range s.data.Tokens {
		t := &s.data.Tokens[i]
		s.tokens[t.Name] = t
		if u := s.users[t.User]; t.Expired || u == nil || !u.Enabled {
			continue
		}
		c := caller{user: t.User, oauth: true, scopes: strings.Fields(t.Scope)}
		for _, word := range c.scopes {
			if _, ok := knownScopes[word]; !ok {
				c.badScope = true
			}
		}
		s.callers[t.Name] = c
	}
}

// basic gives who a user name and password stand for at the registry's token
// endpoint: an account with its password, a robot with its token, or
// $oauthtoken with an application token (doc/quay-api.md section 4). The REST
// API never asks.
func (s *state) basic(user, password string) (caller, bool) {
	if user == "$oauthtoken" {
		return s.bearer(password)
	}
	if strings.Contains(user, "+") {
		if r := s.robots[user]; r != nil && s.robotOwnerEnabled(user) && sameSecret(r.Token, password) {
			return caller{robot: user}, true
		}
		return caller{}, false
	}
	if u := s.users[user]; u != nil && u.Enabled && sameSecret(u.Password, password) {
		return caller{user: user}, true
	}
	return caller{}, false
}

// robotOwnerEnabled reports whether the namespace that a robot belongs to is not
// disabled.
func (s *state) robotOwnerEnabled(robot string) bool {
	owner, _, _ := strings.Cut(robot, "+")
	_, enabled, found := s.namespace(owner)
	return enabled || !found
}

// sameSecret compares secrets; an empty one is nobody's.
func sameSecret(want, got string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

// identify tells who asks the REST API, from the Authorization header alone.
// Anything but one bearer token is anonymous, and so is a token the server
// does not know. A token that looks like a JWT goes to the single sign-on
// instead, which refuses it with a reason (doc/quay-api.md sections 3 and 4).
func (s *state) identify(authorization string) (c caller, refused string) {
	scheme, token, ok := strings.Cut(strings.TrimSpace(authorization), " ")
	token = strings.TrimSpace(token)
	if !ok || token == "" || strings.Contains(token, " ") || !strings.EqualFold(scheme, "bearer") {
		return caller{}, ""
	}
	if issuer, ok := jwtIssuer(token); ok && issuer == "" {
		return caller{}, "Token does not contain issuer"
	} else if ok {
		return caller{}, "Issuer " + issuer + " not configured"
	}
	c, _ = s.bearer(token)
	return c, ""
}

// jwtIssuer tells whether a token has the form of a JWT, and who claims to
// have issued it. No signature is looked at: the embedded server has no
// issuer configured.
func jwtIssuer(token string) (issuer string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	var header struct {
		Type string `json:"typ"`
	}
	var payload struct {
		Issuer string `json:"iss"`
	}
	if !decodeSegment(parts[0], &header) || !decodeSegment(parts[1], &payload) {
		return "", false
	}
	switch strings.ToLower(header.Type) {
	case "jwt", "at+jwt":
	default:
		return "", false
	}
	return payload.Issuer, true
}

// decodeSegment reads one part of a JWT, and tells whether it is JSON.
func decodeSegment(s string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	return err == nil && json.NewDecoder(bytes.NewReader(text)).Decode(into) == nil
}

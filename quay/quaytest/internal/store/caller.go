// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/subtle"
	"slices"
	"strings"
)

// A Caller is the account that a request acts for. The zero value is anonymous.
type Caller struct {
	User     string // "" for a robot and for an anonymous caller
	Robot    string // "organization+name" if the caller is a robot
	BadScope bool   // the token's scope has a word that Quay does not know: each check of rights is a 500

	OAuth  bool     // an application token, whose scopes bound the account's rights
	scopes []string // of that token
}

// Known reports whether the server recognised an account.
func (c Caller) Known() bool { return c.User != "" || c.Robot != "" }

// Name returns the user or the robot, "" for an anonymous caller.
func (c Caller) Name() string { return c.User + c.Robot }

// Has reports whether the caller's token has a scope. A caller without an
// application token is not bound by scopes.
func (c Caller) Has(scope string) bool { return !c.OAuth || slices.Contains(c.scopes, scope) }

// A Role is what an account may do with a repository.
type Role uint8

// The roles, each with the rights of those before it.
const (
	RoleNone Role = iota
	RoleRead
	RoleWrite
	RoleAdmin
)

// ParseRole returns the role of a name: read, write or admin.
func ParseRole(name string) Role {
	switch name {
	case "read":
		return RoleRead
	case "write":
		return RoleWrite
	case "admin":
		return RoleAdmin
	}
	return RoleNone
}

// knownScopes are the words that a token's scope may have, each with the highest
// role on a repository that it allows (doc/quay-api.md section 4, "Scopes").
var knownScopes = map[string]Role{
	"repo:read":   RoleRead,
	"repo:write":  RoleWrite,
	"repo:admin":  RoleAdmin,
	"repo:create": RoleNone,
	"user:read":   RoleNone,
	"user:admin":  RoleNone,
	"org:admin":   RoleNone,
	"super:user":  RoleNone,
}

// limit reduces a role to the highest that the caller's scopes allow.
func (c Caller) limit(r Role) Role {
	if !c.OAuth {
		return r
	}
	most := RoleNone
	for _, s := range c.scopes {
		most = max(most, knownScopes[s])
	}
	return min(r, most)
}

// Role returns the caller's own role on a repository, whether or not it is
// public. The repository need not exist: an owner has the role admin on every
// name of the namespace.
func (s *Store) Role(c Caller, namespace, name string) Role {
	if s.namespaces[namespace].OwnedBy(c.User) {
		return c.limit(RoleAdmin)
	}
	id, ok := s.find(namespace, name)
	if !ok {
		return RoleNone
	}
	if v := s.pushed.version(id); v != nil && v.maker != "" && v.maker == c.Name() {
		return c.limit(RoleAdmin)
	}
	return c.limit(s.roles[c.Name()][id])
}

// CanRead reports whether the caller may read the repository: it is public, or
// the caller has a role on it that the scope of the token allows (doc/quay-api.md
// sections 3 and 4).
func (s *Store) CanRead(c Caller, r *Repository) bool {
	return r.Public || s.Role(c, r.Namespace, r.Name) >= RoleRead
}

// IsAdmin reports whether the caller may read everything in a namespace, and so
// gets 404 for a repository that is missing: an owner with a token that may read
// repositories.
func (s *Store) IsAdmin(c Caller, namespace string) bool {
	return s.namespaces[namespace].OwnedBy(c.User) && c.limit(RoleAdmin) >= RoleRead
}

// CanCreate reports whether a caller may create repositories in a namespace: an
// owner, or an account in a team of creators, with a token whose scopes allow it
// (doc/quay-api.md, "Corrections/Pushing").
func (s *Store) CanCreate(c Caller, namespace string) bool {
	n := s.namespaces[namespace]
	if n == nil || c.OAuth && !c.Has("repo:create") && !c.Has("org:admin") {
		return false
	}
	return n.OwnedBy(c.User) || slices.Contains(n.Creators, c.Name())
}

// AnonymousAccess reports whether public repositories need no token
// (doc/quay-api.md section 3, FEATURE_ANONYMOUS_ACCESS).
func (s *Store) AnonymousAccess() bool { return !s.options.NoAnonymous }

// A User is an account with a password.
type User struct {
	Name     string
	Enabled  bool
	Password string
}

// CheckPassword reports whether a password is the user's.
func (u *User) CheckPassword(password string) bool { return sameSecret(u.Password, password) }

// A Robot is an account of the registry API.
type Robot struct {
	Name  string // "organization+name"
	Token string
}

// A Token is an application token.
type Token struct {
	Name    string // also its secret
	User    string
	Scope   string // separated by spaces
	Expired bool
}

// AddToken adds an application token of a user, who must have been added before.
func (s *Store) AddToken(t Token) {
	s.tokens[t.Name] = &t
	if u := s.users[t.User]; t.Expired || u == nil || !u.Enabled {
		return
	}
	c := Caller{User: t.User, OAuth: true, scopes: strings.Fields(t.Scope)}
	for _, word := range c.scopes {
		if _, ok := knownScopes[word]; !ok {
			c.BadScope = true
		}
	}
	s.callers[t.Name] = c
}

// AddRobot adds a robot that may read some repositories ("namespace/name"), which
// must have been added before. Names of other repositories are ignored.
func (s *Store) AddRobot(r Robot, reads []string) {
	s.robots[r.Name] = &r
	for _, name := range reads {
		if id, ok := s.find(SplitName(name)); ok && s.grant(r.Name, id, RoleRead) {
			s.direct[r.Name] = append(s.direct[r.Name], id)
		}
	}
	slices.Sort(s.direct[r.Name])
}

// User returns the account of a name, or nil.
func (s *Store) User(name string) *User { return s.users[name] }

// Robot returns the robot of a name, or nil.
func (s *Store) Robot(name string) *Robot { return s.robots[name] }

// Token returns an application token, expired or not, or nil.
func (s *Store) Token(name string) *Token { return s.tokens[name] }

// Bearer returns the account that an application token acts for. Unknown and
// expired tokens and those of a disabled user act for no account
// (doc/quay-api.md section 3).
func (s *Store) Bearer(token string) (Caller, bool) {
	c, ok := s.callers[token]
	return c, ok
}

// Basic returns the account of a user name and password at the registry's token
// endpoint: a user with the password, a robot with its token, or $oauthtoken with
// an application token (doc/quay-api.md section 4). The REST API ignores Basic
// credentials.
func (s *Store) Basic(user, password string) (Caller, bool) {
	if user == "$oauthtoken" {
		return s.Bearer(password)
	}
	if strings.Contains(user, "+") {
		if r := s.robots[user]; r != nil && s.RobotEnabled(user) && sameSecret(r.Token, password) {
			return Caller{Robot: user}, true
		}
		return Caller{}, false
	}
	if u := s.users[user]; u != nil && u.Enabled && sameSecret(u.Password, password) {
		return Caller{User: user}, true
	}
	return Caller{}, false
}

// RobotEnabled reports whether the namespace of a robot is not disabled.
func (s *Store) RobotEnabled(robot string) bool {
	owner, _, _ := strings.Cut(robot, "+")
	n := s.namespaces[owner]
	return n == nil || n.Enabled
}

// sameSecret compares secrets. An empty secret matches none.
func sameSecret(want, got string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

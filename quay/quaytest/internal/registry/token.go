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

// anonymous is the subject of an anonymous caller's token.
const anonymous = "(anonymous)"

// A scope is a repository's name and some of three actions, separated by commas.
// Several scopes are several parameters (doc/quay-api.md section 5). A scope may
// contain a name that no repository can have: names are in lower case (section 2,
// "URL form").
var (
	scopeForm = wire.Pattern(`^repository:((?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+):((?:push|pull|\*)(?:,(?:push|pull|\*))*)$`)
	nameForm  = wire.Pattern(`^[a-z0-9][._a-z0-9-]*(?:/[a-z0-9][._a-z0-9-]*)*$`)
)

// serveToken answers /v2/auth, the token endpoint (doc/quay-api.md section 5;
// recording registry-auth). One malformed scope refuses the whole request; a scope
// that is not allowed gets an entry without actions.
func (a *API) serveToken(w http.ResponseWriter, r *http.Request, _, _ string) {
	c, refused := a.credentials(r)
	if refused != "" {
		a.unauthorized(w, r, "", "", refused)
		return
	}
	query := r.URL.Query()
	scopes := query["scope"]
	if !c.Known() && (len(scopes) == 0 || slices.Contains(scopes, "")) {
		a.unauthorized(w, r, "", "", notAuthorized)
		return
	}
	granted := []access{}
	for _, scope := range scopes {
		if scope == "" {
			continue
		}
		g, ok := a.authorizeScope(w, r, c, scope)
		if !ok {
			return
		}
		granted = append(granted, g)
	}
	// The audience is the service that was asked for, whatever that is (recording
	// registry-auth).
	token, err := a.signer().sign(query.Get("service"), c, granted, a.Now())
	if err != nil {
		wire.SendCrash(w, r)
		return
	}
	w.Header().Set("Cache-Control", wire.NoCache)
	sendJSON(w, r, http.StatusOK, map[string]string{"token": token})
}

// credentials returns the account of the Basic credentials, or why they are refused.
// A request without an Authorization header is anonymous. An application token as
// Bearer is refused. The messages that recording registry-auth lacks are from Quay's
// source (auth/credentials.py, auth/oauth.py, data/users/__init__.py).
func (a *API) credentials(r *http.Request) (c store.Caller, refused string) {
	if strings.TrimSpace(r.Header.Get("Authorization")) == "" {
		return store.Caller{}, ""
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return store.Caller{}, "Specified credentials are invalid"
	}
	if c, ok = a.Store.Basic(user, password); ok {
		return c, ""
	}
	switch t := a.Store.Token(password); {
	case user == "$app":
		return store.Caller{}, "Invalid token"
	case user == "$token":
		return store.Caller{}, "Invalid access token"
	case user == "$oauthtoken" && t == nil:
		return store.Caller{}, "OAuth access token could not be validated"
	case user == "$oauthtoken" && t.Expired:
		return store.Caller{}, "OAuth access token has expired"
	case user == "$oauthtoken":
		return store.Caller{}, "Granter of the oauth access token is disabled"
	case a.Store.Robot(user) != nil && !a.Store.RobotEnabled(user):
		owner, _, _ := strings.Cut(user, "+")
		return store.Caller{}, "Robot " + user + " owner " + owner + " is disabled"
	case a.Store.Robot(user) != nil:
		return store.Caller{}, "Could not find robot with username: " + user + " and supplied password."
	case strings.Contains(user, "+"):
		return store.Caller{}, "Could not find robot with specified username"
	}
	if u := a.Store.User(user); u != nil && !u.Enabled && u.CheckPassword(password) {
		return store.Caller{}, "This user has been disabled. Please contact your administrator."
	}
	return store.Caller{}, "Invalid Username or Password"
}

// authorizeScope returns what one scope grants. It answers and reports false if the
// scope is malformed, has an impossible name, or names a disabled namespace, in this
// order.
//
// Pull is granted on a public repository, on one that the caller may read, and to an
// owner on every name of the namespace. A missing namespace or repository looks like
// a private one: an entry without actions.
//
// Push is granted to a caller who may write to a repository in the state NORMAL. If
// the repository is missing and the caller may create it, the request for push
// creates it, as on Quay, before anything is sent (doc/quay-api.md section 5;
// recording registry-push).
func (a *API) authorizeScope(w http.ResponseWriter, r *http.Request, c store.Caller, scope string) (g access, ok bool) {
	// The registry's own name may stand before that of the repository.
	_, host, _ := strings.Cut(a.origin(r), "://")
	rest, hosted := strings.CutPrefix(scope, "repository:"+host+"/")
	if hosted {
		rest = "repository:" + rest
	}
	m := scopeForm().FindStringSubmatch(rest)
	if m == nil {
		sendError(w, r, http.StatusBadRequest, "INVALID_REQUEST", "Unable to decode repository and actions: "+scope, struct{}{})
		return g, false
	}
	g = access{Type: "repository", Name: m[1], Actions: []string{}}
	if hosted {
		g.Name = host + "/" + m[1]
	}
	namespace, name := store.SplitName(m[1])
	if name == "" { // LIBRARY_SUPPORT
		namespace, name = "library", m[1]
	}
	if !nameForm().MatchString(name) || len(name) > 255 {
		sendError(w, r, http.StatusBadRequest, "NAME_INVALID", "Invalid repository name: "+m[1], struct{}{})
		return g, false
	}
	owner := a.Store.Namespace(namespace)
	if owner != nil && !owner.Enabled {
		sendError(w, r, http.StatusMethodNotAllowed, "DENIED",
			"Namespace "+namespace+" has been disabled. Please contact a system administrator.", struct{}{})
		return g, false
	}
	if owner == nil {
		return g, true
	}
	if c.BadScope { // as on the REST API (recording token-bad-scope)
		wire.SendCrash(w, r)
		return g, false
	}
	wanted := strings.Split(m[2], ",")
	repository := a.repository(namespace + "/" + name)
	if repository == nil && slices.Contains(wanted, "push") && a.Store.CanCreate(c, namespace) && a.Store.Create(namespace, name, c.Name()) {
		repository = a.repository(namespace + "/" + name)
		g.Actions = append(g.Actions, "push")
	}
	public := repository != nil && repository.Public && (c.Known() || a.Store.AnonymousAccess())
	may := a.Store.Role(c, namespace, name)
	normal := repository != nil && repository.Status() == "NORMAL"
	grant := func(action string, right bool) {
		if right && slices.Contains(wanted, action) && !slices.Contains(g.Actions, action) {
			g.Actions = append(g.Actions, action)
		}
	}
	grant("push", normal && may >= store.RoleWrite)
	grant("pull", public || may >= store.RoleRead)
	grant("*", normal && may >= store.RoleAdmin)
	return g, true
}

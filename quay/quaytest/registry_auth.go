// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"slices"
	"strings"
)

// nobody is the subject of a token that was given to an anonymous caller.
const nobody = "(anonymous)"

// A scope is a repository's name and some of three actions, parted by commas;
// several scopes are several parameters (doc/quay-api.md section 5). A name
// that passes as part of a scope may still be none: names are in lower case
// (section 2, "URL form").
var (
	scopeForm = lazily(`^repository:((?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+):((?:push|pull|\*)(?:,(?:push|pull|\*))*)$`)
	nameForm  = lazily(`^[a-z0-9][._a-z0-9-]*(?:/[a-z0-9][._a-z0-9-]*)*$`)
)

// serveToken answers /v2/auth, the token endpoint (doc/quay-api.md section 5;
// recording registry-auth). One scope that is not good refuses them all; one
// that is good and not allowed gets an entry without actions.
func (h *Handler) serveToken(w http.ResponseWriter, r *http.Request, _, _ string) {
	c, refused := h.credentials(r)
	if refused != "" {
		h.unauthorized(w, r, "", "", refused)
		return
	}
	query := r.URL.Query()
	scopes := query["scope"]
	if !c.known() && (len(scopes) == 0 || slices.Contains(scopes, "")) {
		h.unauthorized(w, r, "", "", notAuthorized)
		return
	}
	granted := []access{}
	for _, scope := range scopes {
		if scope == "" {
			continue
		}
		a, ok := h.authorizeScope(w, r, c, scope)
		if !ok {
			return
		}
		granted = append(granted, a)
	}
	subject := nobody
	if c.known() {
		subject = c.user + c.robot // one of them is empty
	}
	// Whatever service is asked for becomes the audience (recording registry-auth).
	token, err := h.registry.signer().sign(query.Get("service"), subject, granted, h.now())
	if err != nil {
		sendCrash(w, r)
		return
	}
	w.Header().Set("Cache-Control", noCache)
	sendCompact(w, r, http.StatusOK, map[string]string{"token": token})
}

// credentials tells who asks for a token: nobody without an Authorization
// header, and otherwise whom Basic credentials stand for, or why they are
// refused. An application token as Bearer is refused, too. The texts that
// recording registry-auth lacks are those of Quay's source (auth/credentials.py,
// auth/oauth.py, data/users/__init__.py).
func (h *Handler) credentials(r *http.Request) (c caller, refused string) {
	if strings.TrimSpace(r.Header.Get("Authorization")) == "" {
		return caller{}, ""
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return caller{}, "Specified credentials are invalid"
	}
	if c, ok = h.st.basic(user, password); ok {
		return c, ""
	}
	switch t := h.st.tokens[password]; {
	case user == "$app":
		return caller{}, "Invalid token"
	case user == "$token":
		return caller{}, "Invalid access token"
	case user == "$oauthtoken" && t == nil:
		return caller{}, "OAuth access token could not be validated"
	case user == "$oauthtoken" && t.Expired:
		return caller{}, "OAuth access token has expired"
	case user == "$oauthtoken":
		return caller{}, "Granter of the oauth access token is disabled"
	case h.st.robots[user] != nil && !h.st.robotOwnerEnabled(user):
		owner, _, _ := strings.Cut(user, "+")
		return caller{}, "Robot " + user + " owner " + owner + " is disabled"
	case h.st.robots[user] != nil:
		return caller{}, "Could not find robot with username: " + user + " and supplied password."
	case strings.Contains(user, "+"):
		return caller{}, "Could not find robot with specified username"
	}
	if u := h.st.users[user]; u != nil && !u.Enabled && sameSecret(u.Password, password) {
		return caller{}, "This user has been disabled. Please contact your administrator."
	}
	return caller{}, "Invalid Username or Password"
}

// authorizeScope works out what one scope gives, or answers why the request is
// refused: malformed, no name, or a namespace that is disabled, in this order.
//
// Pull is granted on what is public, on what the caller has rights on, and to
// an owner on what his namespace lacks. A namespace or repository that is
// missing and one that is private look alike: an entry without actions.
//
// Push is granted to who may write to a repository in its normal state. If
// there is none, asking for push makes it, for a caller who may: so does Quay,
// before anything is sent (doc/quay-api.md section 5; recording registry-push).
func (h *Handler) authorizeScope(w http.ResponseWriter, r *http.Request, c caller, scope string) (a access, ok bool) {
	// The registry's own name may stand before that of the repository.
	_, host, _ := strings.Cut(h.origin(r), "://")
	rest, hosted := strings.CutPrefix(scope, "repository:"+host+"/")
	if hosted {
		rest = "repository:" + rest
	}
	m := scopeForm().FindStringSubmatch(rest)
	if m == nil {
		refuse(w, r, http.StatusBadRequest, "INVALID_REQUEST", "Unable to decode repository and actions: "+scope, struct{}{})
		return a, false
	}
	a = access{Type: "repository", Name: m[1], Actions: []string{}}
	if hosted {
		a.Name = host + "/" + m[1]
	}
	namespace, name := splitRepository(m[1])
	if name == "" { // LIBRARY_SUPPORT
		namespace, name = "library", m[1]
	}
	if !nameForm().MatchString(name) || len(name) > 255 {
		refuse(w, r, http.StatusBadRequest, "NAME_INVALID", "Invalid repository name: "+m[1], struct{}{})
		return a, false
	}
	if _, enabled, found := h.st.namespace(namespace); found && !enabled {
		refuse(w, r, http.StatusMethodNotAllowed, "DENIED",
			"Namespace "+namespace+" has been disabled. Please contact a system administrator.", struct{}{})
		return a, false
	}
	if _, _, found := h.st.namespace(namespace); !found {
		return a, true
	}
	if c.badScope { // as on the REST API (recording token-bad-scope)
		sendCrash(w, r)
		return a, false
	}
	wanted := strings.Split(m[2], ",")
	repository := h.pullable(namespace + "/" + name)
	if repository == nil && slices.Contains(wanted, "push") && h.st.mayCreate(c, namespace) && h.st.create(namespace, name, c.user+c.robot) {
		repository = h.pullable(namespace + "/" + name)
		a.Actions = append(a.Actions, "push")
	}
	public := repository != nil && repository.Public && (c.known() || h.admitsAnonymous())
	may := h.st.role(c, namespace, name)
	normal := repository != nil && stateOf(repository) == "NORMAL"
	grant := func(action string, right bool) {
		if right && slices.Contains(wanted, action) && !slices.Contains(a.Actions, action) {
			a.Actions = append(a.Actions, action)
		}
	}
	grant("push", normal && may >= roleWrite)
	grant("pull", public || may >= roleRead)
	grant("*", normal && may >= roleAdmin)
	return a, true
}

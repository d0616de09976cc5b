// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rest is Quay's REST API v1 over a store: listings, tags, repositories,
// manifests, namespaces, the caller and the search. It also answers the paths of
// the web interface.
package rest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/cursor"
	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// An API is the REST API of one server. It is safe for concurrent use.
type API struct {
	Store    *store.Store
	Now      func() time.Time
	Cursors  *cursor.Key
	Hostname string // that the server calls itself; "" is the name of each request

	MirrorRegistry bool // be the second server of Quay's tree, which lists nothing
	ReusePage      bool // answer every page with the first one
	RepeatCursor   bool // give every page the same cursor
}

// A route is the meaning of a path.
type route struct {
	serve      func(a *API, q call)
	methods    string // besides HEAD, GET and OPTIONS, each followed by a comma
	namespace  string // also the name of an organization or user
	repository string
	digest     digest.Digest
	label      string
	redirect   bool // to the same path with a slash at its end
}

// A call is a request with its route and its caller.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	route  route
	caller store.Caller
	params wire.Query
}

// ServeHTTP answers a request for any path but those of the registry API.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.MirrorRegistry {
		serveMirrorRegistry(w, r)
		return
	}
	path := r.URL.Path // decoded: an escaped slash is a slash
	if strings.Contains(path, "//") {
		wire.Redirect(w, r, wire.MergeSlashes(path))
		return
	}
	rt, ok := findRoute(path)
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	allowed := strings.Contains(rt.methods, r.Method+",")
	switch {
	case !ok:
		a.serveWeb(w, r)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", wire.ReadMethods+allowMore(rt))
		wire.Send(w, r, http.StatusOK, wire.HTML, nil)
	case !safe && !allowed:
		w.Header().Set("Allow", wire.ReadMethods+allowMore(rt))
		wire.SendMessage(w, r, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
	case rt.redirect:
		wire.Redirect(w, r, path+"/")
	default:
		a.serveRoute(w, r, rt)
	}
}

// serveRoute identifies the caller and calls the route. The checks are in Quay's
// order: browser, bearer token, forgery, anonymous access.
func (a *API) serveRoute(w http.ResponseWriter, r *http.Request, rt route) {
	if r.Method == http.MethodGet && isBrowser(r.UserAgent()) && r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		wire.SendError(w, r, http.StatusBadRequest, "API calls must be invoked with an X-Requested-With header if called from a browser")
		return
	}
	c, refused := a.identify(r.Header.Get("Authorization"))
	if refused != "" {
		wire.SendError(w, r, http.StatusUnauthorized, refused)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		serveWrite(w, r, c)
		return
	}
	if !a.Store.AnonymousAccess() && !c.Known() {
		wire.SendError(w, r, http.StatusUnauthorized, "Anonymous access is not allowed")
		return
	}
	rt.serve(a, call{w, r, rt, c, wire.Query(r.URL.RawQuery)})
}

// serveWrite refuses a change: as a forged request if it has no application token
// (recording list-methods), and otherwise as a registry that is read-only
// (doc/quay-api.md section 3, shape C).
func serveWrite(w http.ResponseWriter, r *http.Request, c store.Caller) {
	if !c.Known() {
		wire.SendError(w, r, http.StatusForbidden, "CSRF token was invalid or missing.")
		return
	}
	wire.JSON(w, r, http.StatusServiceUnavailable, func(b []byte) []byte {
		return append(b, `{"message": "System is currently read-only. Pulls will succeed but all write operations are currently suspended.", "is_readonly": true}`...)
	})
}

// allowMore returns the methods that Allow lists after ReadMethods.
func allowMore(rt route) string {
	if rt.methods == "" {
		return ""
	}
	return ", " + strings.TrimSuffix(strings.ReplaceAll(rt.methods, ",", ", "), ", ")
}

// manifestPath matches a repository's name, a manifest's digest, and the labels or
// one label beneath it.
var manifestPath = wire.Pattern(`^([^/]+)/(.+)/manifest/([A-Za-z0-9_+.-]+:[A-Fa-f0-9]+)(/labels(?:/([^/]+))?)?$`)

// findRoute parses a path without double slashes. A repository's name is as long as
// possible, so it may be nested and contain parts such as "tag" (doc/quay-api.md
// section 2, "URL form").
func findRoute(path string) (route, bool) {
	rest, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok {
		return route{}, false
	}
	noun, rest, _ := strings.Cut(rest, "/")
	switch {
	case path == "/api/v1/repository":
		return route{serve: (*API).serveList, methods: "POST,"}, true
	case path == "/api/v1/user" || path == "/api/v1/user/":
		return route{serve: (*API).serveUser, methods: "POST,PUT,DELETE,", redirect: path == "/api/v1/user"}, true
	case path == "/api/v1/find/repositories":
		return route{serve: (*API).serveSearch}, true
	case path == "/api/v1/find/all":
		return route{serve: (*API).serveSearchAll}, true
	case path == "/api/v1/discovery":
		return route{serve: (*API).serveDiscovery}, true
	case path == "/api/v1/registry/capabilities":
		return route{serve: (*API).serveCapabilities}, true
	case path == "/api/v1/messages":
		return route{serve: (*API).serveMessages, methods: "POST,"}, true
	case noun == "error" && rest != "" && !strings.Contains(rest, "/"):
		return route{serve: (*API).serveErrorType}, true
	case rest == "":
	case noun == "organization" && !strings.Contains(rest, "/"):
		return route{serve: (*API).serveOrganization, methods: "PUT,DELETE,", namespace: rest}, true
	case noun == "users" && !strings.Contains(rest, "/"):
		return route{serve: (*API).serveUsers, namespace: rest}, true
	case noun == "repository":
		return repositoryRoute(rest)
	}
	return findUnserved(path)
}

// repositoryRoute parses a path after /api/v1/repository/. Only the tag list ends
// in a slash, which a redirect adds; no other path with a slash at its end is a
// route.
func repositoryRoute(rest string) (route, bool) {
	trimmed, slash := strings.CutSuffix(rest, "/")
	if name, ok := strings.CutSuffix(trimmed, "/tag"); ok && strings.Contains(name, "/") {
		rt := route{serve: (*API).serveTags, redirect: !slash}
		rt.namespace, rt.repository = store.SplitName(name)
		return rt, true
	}
	if rt, ok := findUnserved("/api/v1/repository/" + rest); ok {
		return rt, true
	}
	if slash || !strings.Contains(rest, "/") {
		return route{}, false
	}
	if m := manifestPath().FindStringSubmatch(rest); m != nil {
		rt := route{serve: (*API).serveManifestDetail, namespace: m[1], repository: m[2], digest: digest.Digest(m[3])}
		if m[4] != "" {
			rt.serve, rt.methods = (*API).serveLabels, "POST,"
		}
		if rt.label = m[5]; rt.label != "" {
			rt.serve, rt.methods = (*API).serveLabel, "DELETE,"
		}
		return rt, true
	}
	rt := route{serve: (*API).serveRepository, methods: "PUT,DELETE,"}
	rt.namespace, rt.repository = store.SplitName(rest)
	return rt, true
}

// authorize returns the repository of a call if the caller may read it. Otherwise
// it answers and returns nil. A missing repository looks like a private one, except
// to the administrators of its namespace (doc/quay-api.md section 3). A token with
// a broken scope makes the server fail here.
func (a *API) authorize(q call) *store.Repository {
	ns, name := q.route.namespace, q.route.repository
	if q.caller.BadScope {
		wire.SendCrash(q.w, q.r)
		return nil
	}
	if strings.ContainsRune(ns, 0) || strings.ContainsRune(name, 0) {
		// nginx refuses a NUL in a path; not recorded.
		wire.SendNginx(q.w, http.StatusBadRequest, "400 Bad Request", "400 Bad Request", "")
		return nil
	}
	repo := a.Store.Repository(ns, name)
	switch {
	case repo != nil && a.Store.CanRead(q.caller, repo):
		return repo
	case a.Store.IsAdmin(q.caller, ns):
		wire.SendProblem(q.w, q.r, wire.NotFound)
	case q.caller.Known():
		wire.SendProblem(q.w, q.r, wire.Forbidden)
	default:
		wire.SendProblem(q.w, q.r, wire.Unauthenticated)
	}
	return nil
}

// serveMirrorRegistry answers as the second server of Quay's tree, which has no
// repository listing (doc/quay-api.md, "Recorded"). Here it has no other route of
// the REST API either.
func serveMirrorRegistry(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusNotFound, "not found"
	if rt, ok := findRoute(r.URL.Path); ok && rt.repository != "" && strings.HasSuffix(r.URL.Path, "/tag/") {
		status, text = http.StatusMethodNotAllowed, "method not allowed"
	}
	wire.Send(w, r, status, "application/json", []byte(`{"error":"`+text+`"}`))
}

// browsers are the products in the user agents of browsers.
var browsers = []string{"Chrome/", "Chromium/", "CriOS/", "Edg/", "EdgA/", "Edge/", "Firefox/", "FxiOS/",
	"MSIE ", "OPR/", "Opera/", "Safari/", "Trident/", "Vivaldi/"}

// isBrowser reports whether a user agent looks like a browser, whose requests must
// show that a script of Quay's own pages sends them (doc/quay-api.md section 3,
// require_xhr_from_browser).
func isBrowser(userAgent string) bool {
	return slices.ContainsFunc(browsers, func(product string) bool { return strings.Contains(userAgent, product) })
}

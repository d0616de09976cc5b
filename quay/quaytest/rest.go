// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A route is what a path of the REST API stands for.
type route struct {
	serve      func(h *Handler, q call)
	methods    string // besides HEAD, GET and OPTIONS, each followed by a comma
	namespace  string // also the name of an organization or user
	repository string
	digest     string
	label      string
	redirect   bool // to the same path with a slash at its end
}

// A call is a request that has found its route and its caller.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	route  route
	caller caller
	params parameters
}

// serveREST answers every path that is not the registry's.
func (h *Handler) serveREST(w http.ResponseWriter, r *http.Request) {
	if _, on := h.cfg.shape.quirk("mirror-registry"); on {
		serveMirrorRegistry(w, r)
		return
	}
	path := r.URL.Path // decoded: an escaped slash is a slash
	if strings.Contains(path, "//") {
		sendRedirect(w, r, slashes().ReplaceAllString(path, "/"))
		return
	}
	rt, ok := findRoute(path)
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	allowed := strings.Contains(rt.methods, r.Method+",")
	switch {
	case !ok:
		h.serveWeb(w, r)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", readMethods+allowMore(rt))
		sendBytes(w, r, http.StatusOK, htmlType, nil)
	case !safe && !allowed:
		w.Header().Set("Allow", readMethods+allowMore(rt))
		sendMessage(w, r, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
	case rt.redirect:
		sendRedirect(w, r, path+"/")
	default:
		h.serveRoute(w, r, rt)
	}
}

// serveRoute finds out who asks and lets the route answer. Checks come in the
// server's order: browser, bearer token, forgery, anonymous access.
func (h *Handler) serveRoute(w http.ResponseWriter, r *http.Request, rt route) {
	if r.Method == http.MethodGet && isBrowser(r.UserAgent()) && r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		sendRefusal(w, r, http.StatusBadRequest, "API calls must be invoked with an X-Requested-With header if called from a browser")
		return
	}
	c, refused := h.st.identify(r.Header.Get("Authorization"))
	if refused != "" {
		sendRefusal(w, r, http.StatusUnauthorized, refused)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		serveWrite(w, r, c)
		return
	}
	if _, on := h.cfg.shape.quirk("no-anonymous"); on && !c.known() {
		sendRefusal(w, r, http.StatusUnauthorized, "Anonymous access is not allowed")
		return
	}
	rt.serve(h, call{w, r, rt, c, parameters(r.URL.RawQuery)})
}

// serveWrite refuses what would change something: as a forged request when
// no application token comes with it (recording list-methods), else as a
// registry that is read-only (doc/quay-api.md section 3, shape C).
func serveWrite(w http.ResponseWriter, r *http.Request, c caller) {
	if !c.known() {
		sendRefusal(w, r, http.StatusForbidden, "CSRF token was invalid or missing.")
		return
	}
	sendJSON(w, r, http.StatusServiceUnavailable, func(b []byte) []byte {
		return append(b, `{"message": "System is currently read-only. Pulls will succeed but all write operations are currently suspended.", "is_readonly": true}`...)
	})
}

// allowMore gives the methods that Allow names beside the usual ones.
func allowMore(rt route) string {
	if rt.methods == "" {
		return ""
	}
	return ", " + strings.TrimSuffix(strings.ReplaceAll(rt.methods, ",", ", "), ", ")
}

var slashes = lazily(`//+`)

// manifestPath finds a manifest's digest after a repository's name, and the
// labels or the one label beneath it.
var manifestPath = lazily(`^([^/]+)/(.+)/manifest/([A-Za-z0-9_+.-]+:[A-Fa-f0-9]+)(/labels(?:/([^/]+))?)?$`)

// findRoute reads a path without double slashes. A repository's name takes
// as many parts as there are, so that it may be nested and may have parts
// such as "tag" (doc/quay-api.md section 2, "URL form").
func findRoute(path string) (route, bool) {
	rest, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok {
		return route{}, false
	}
	noun, rest, _ := strings.Cut(rest, "/")
	switch {
	case path == "/api/v1/repository":
		return route{serve: (*Handler).serveList, methods: "POST,"}, true
	case path == "/api/v1/user" || path == "/api/v1/user/":
		return route{serve: (*Handler).serveUser, methods: "POST,PUT,DELETE,", redirect: path == "/api/v1/user"}, true
	case path == "/api/v1/find/repositories":
		return route{serve: (*Handler).serveSearch}, true
	case path == "/api/v1/find/all":
		return route{serve: (*Handler).serveSearchAll}, true
	case path == "/api/v1/discovery":
		return route{serve: (*Handler).serveDiscovery}, true
	case path == "/api/v1/registry/capabilities":
		return route{serve: (*Handler).serveCapabilities}, true
	case path == "/api/v1/messages":
		return route{serve: (*Handler).serveMessages, methods: "POST,"}, true
	case noun == "error" && rest != "" && !strings.Contains(rest, "/"):
		return route{serve: (*Handler).serveErrorType}, true
	case rest == "":
	case noun == "organization" && !strings.Contains(rest, "/"):
		return route{serve: (*Handler).serveOrganization, methods: "PUT,DELETE,", namespace: rest}, true
	case noun == "users" && !strings.Contains(rest, "/"):
		return route{serve: (*Handler).serveUsers, namespace: rest}, true
	case noun == "repository":
		return repositoryRoute(rest)
	}
	return findUnserved(path)
}

// repositoryRoute reads what follows /api/v1/repository/. Only the tag list
// has a slash at its end, and gets one by redirect; other paths that end in
// one are no routes.
func repositoryRoute(rest string) (route, bool) {
	trimmed, slash := strings.CutSuffix(rest, "/")
	if name, ok := strings.CutSuffix(trimmed, "/tag"); ok && strings.Contains(name, "/") {
		rt := route{serve: (*Handler).serveTags, redirect: !slash}
		rt.namespace, rt.repository = splitRepository(name)
		return rt, true
	}
	if rt, ok := findUnserved("/api/v1/repository/" + rest); ok {
		return rt, true
	}
	if slash || !strings.Contains(rest, "/") {
		return route{}, false
	}
	if m := manifestPath().FindStringSubmatch(rest); m != nil {
		rt := route{serve: (*Handler).serveManifestDetail, namespace: m[1], repository: m[2], digest: m[3]}
		if m[4] != "" {
			rt.serve, rt.methods = (*Handler).serveLabels, "POST,"
		}
		if rt.label = m[5]; rt.label != "" {
			rt.serve, rt.methods = (*Handler).serveLabel, "DELETE,"
		}
		return rt, true
	}
	rt := route{serve: (*Handler).serveRepository, methods: "PUT,DELETE,"}
	rt.namespace, rt.repository = splitRepository(rest)
	return rt, true
}

// authorize lets a call through to a repository that its caller may read, and
// gives it. Otherwise it answers, and gives nil: a missing repository looks
// like a private one to all but those who would be told (doc/quay-api.md
// section 3). A token with a broken scope makes the server fail here.
func (h *Handler) authorize(q call) *Repository {
	ns, name := q.route.namespace, q.route.repository
	if q.caller.badScope {
		sendCrash(q.w, q.r)
		return nil
	}
	if strings.ContainsRune(ns, 0) || strings.ContainsRune(name, 0) {
		// The front end lets no NUL through in a path; not recorded.
		sendNginx(q.w, http.StatusBadRequest, "400 Bad Request", "400 Bad Request", "")
		return nil
	}
	repo := h.st.repo(ns, name)
	if gone, on := h.cfg.shape.quirk("vanish"); on && gone == ns+"/"+name {
		repo = nil
	}
	switch {
	case repo != nil && h.st.canRead(q.caller, repo):
		return repo
	case h.st.isAdmin(q.caller, ns):
		sendProblem(q.w, q.r, problemNotFound)
	case q.caller.known():
		sendProblem(q.w, q.r, problemForbidden)
	default:
		sendProblem(q.w, q.r, problemAnonymous)
	}
	return nil
}

// serveMirrorRegistry answers as the second server of Quay's tree does, which
// has no repository listing (doc/quay-api.md, "Recorded"). It has no other
// route of the REST API here either.
func serveMirrorRegistry(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusNotFound, "not found"
	if rt, ok := findRoute(r.URL.Path); ok && rt.repository != "" && strings.HasSuffix(r.URL.Path, "/tag/") {
		status, text = http.StatusMethodNotAllowed, "method not allowed"
	}
	sendBytes(w, r, status, "application/json", []byte(`{"error":"`+text+`"}`))
}

// browsers are the products by which a user agent is taken for a browser.
var browsers = []string{"Chrome/", "Chromium/", "CriOS/", "Edg/", "EdgA/", "Edge/", "Firefox/", "FxiOS/",
	"MSIE ", "OPR/", "Opera/", "Safari/", "Trident/", "Vivaldi/"}

// isBrowser tells whether a user agent looks like a real browser, which has
// to show that a script of Quay's own pages is asking (doc/quay-api.md
// section 3, require_xhr_from_browser).
func isBrowser(userAgent string) bool {
	return slices.ContainsFunc(browsers, func(product string) bool { return strings.Contains(userAgent, product) })
}

// lazily returns a function that compiles a regular expression when it is first
// called. A program that links the package and does not use it starts sooner.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Paths of Quay's web interface that are no repository's. A path that begins
// with one of these and matches no rule of its own is 404.
var reservedPath = lazily(`^/(?:v1|v2|cnr|customtrigger/setup|bitbucket/setup|repository|github/callback/trigger|push)/`)

// serveWeb answers for a path that is none of the API's. Quay's web interface
// takes every such path for a repository, /NAMESPACE/REPOSITORY/, and sends one
// without a slash at its end to the same path with it. So a wrong path below
// /api/ is 308, and then a page with 404, because no namespace is called "api"
// (doc/quay-api.md, "Corrections").
func (h *Handler) serveWeb(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	namespace, name := splitRepository(strings.Trim(path, "/"))
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case name == "" || reservedPath().MatchString(path):
		if safe {
			sendPage(w, r, http.StatusNotFound)
		} else {
			refuseMethod(w, r, readMethods)
		}
	case !safe && r.Method != http.MethodOptions: // a page of the web interface refuses as the framework does
		refuseMethod(w, r, readMethods)
	case !strings.HasSuffix(path, "/"):
		sendRedirect(w, r, path+"/")
	case !safe:
		w.Header().Set("Allow", readMethods)
		sendBytes(w, r, http.StatusOK, htmlType, nil)
	default:
		h.serveRepositoryPage(w, r, namespace, name)
	}
}

// serveRepositoryPage leads to a repository's page in the web interface, for a
// caller who may see it. Anyone else gets 404 if there is no such namespace,
// or if he would be told that it lacks the repository, and 403 otherwise. This
// is read in Quay's source (endpoints/web.py) and was recorded for a namespace
// that does not exist.
func (h *Handler) serveRepositoryPage(w http.ResponseWriter, r *http.Request, namespace, name string) {
	name, tag, tagged := strings.Cut(name, ":")
	if !tagged {
		tag = "latest"
	}
	c, _ := h.st.identify(r.Header.Get("Authorization"))
	_, _, exists := h.st.namespace(namespace)
	repository := h.st.repo(namespace, name)
	w.Header().Set("Cache-Control", noCache)
	switch {
	case repository != nil && h.st.canRead(c, repository):
		sendLocation(w, r, http.StatusFound, "/repository/"+namespace+"/"+name+"?tab=tags&tag="+url.QueryEscape(tag))
	case !exists || repository == nil && h.st.namespaces[namespace].ownedBy(c.user):
		sendPage(w, r, http.StatusNotFound)
	default:
		sendPage(w, r, http.StatusForbidden)
	}
}

// noCache is how Quay forbids to keep a page or a token.
const noCache = "no-cache, no-store, must-revalidate"

// sendPage answers with a page of the web interface that says no. Quay's own
// page is its whole web interface; this one is short.
func sendPage(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Cache-Control", noCache)
	text := http.StatusText(status)
	sendBytes(w, r, status, htmlType, []byte("<!DOCTYPE html>\n<html>\n<head><title>"+strconv.Itoa(status)+" "+text+"</title></head>\n<body>"+text+"</body>\n</html>\n"))
}

// sendRedirect sends the caller to another path of this server, absolutely,
// with the same query.
func sendRedirect(w http.ResponseWriter, r *http.Request, path string) {
	to := origin(r) + (&url.URL{Path: path}).EscapedPath()
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	sendLocation(w, r, http.StatusPermanentRedirect, to)
}

// sendLocation redirects, with the page that Quay's framework adds.
func sendLocation(w http.ResponseWriter, r *http.Request, status int, to string) {
	w.Header().Set("Location", to)
	to = html.EscapeString(to)
	sendBytes(w, r, status, htmlType, []byte("<!doctype html>\n<html lang=en>\n"+
		"<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be redirected automatically to the target URL: "+
		`<a href="`+to+`">`+to+"</a>. If not, click the link.\n"))
}

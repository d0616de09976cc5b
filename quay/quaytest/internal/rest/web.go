// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// reservedPath matches paths of the web interface that belong to no repository. They
// are 404 unless they have a route.
var reservedPath = wire.Pattern(`^/(?:v1|v2|cnr|customtrigger/setup|bitbucket/setup|repository|github/callback/trigger|push)/`)

// serveWeb answers a path outside the API. Quay's web interface reads every such
// path as /NAMESPACE/REPOSITORY/, and redirects a path without a slash at its end.
// So a wrong path below /api/ is 308 and then a page with 404, because no namespace
// is called "api" (doc/quay-api.md, "Corrections").
func (a *API) serveWeb(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	namespace, name := store.SplitName(strings.Trim(path, "/"))
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case name == "" || reservedPath().MatchString(path):
		if safe {
			wire.SendPage(w, r, http.StatusNotFound)
		} else {
			wire.SendMethodNotAllowed(w, r, wire.ReadMethods)
		}
	case !safe && r.Method != http.MethodOptions: // the framework refuses other methods
		wire.SendMethodNotAllowed(w, r, wire.ReadMethods)
	case !strings.HasSuffix(path, "/"):
		wire.Redirect(w, r, path+"/")
	case !safe:
		w.Header().Set("Allow", wire.ReadMethods)
		wire.Send(w, r, http.StatusOK, wire.HTML, nil)
	default:
		a.serveRepositoryPage(w, r, namespace, name)
	}
}

// serveRepositoryPage redirects to a repository's page if the caller may see it.
// Other callers get 404 if there is no such namespace or they own it, and 403
// otherwise. This is from Quay's source (endpoints/web.py); only a namespace that
// does not exist was recorded.
func (a *API) serveRepositoryPage(w http.ResponseWriter, r *http.Request, namespace, name string) {
	name, tag, tagged := strings.Cut(name, ":")
	if !tagged {
		tag = "latest"
	}
	c, _ := a.identify(r.Header.Get("Authorization"))
	owner := a.Store.Namespace(namespace)
	repository := a.Store.Repository(namespace, name)
	w.Header().Set("Cache-Control", wire.NoCache)
	switch {
	case repository != nil && a.Store.CanRead(c, repository):
		wire.RedirectTo(w, r, http.StatusFound, "/repository/"+namespace+"/"+name+"?tab=tags&tag="+url.QueryEscape(tag))
	case owner == nil || repository == nil && owner.OwnedBy(c.User):
		wire.SendPage(w, r, http.StatusNotFound)
	default:
		wire.SendPage(w, r, http.StatusForbidden)
	}
}

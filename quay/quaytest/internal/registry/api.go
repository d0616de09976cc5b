// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry is Quay's registry API over a store, below /v2/: the token
// endpoint, manifests, blobs, uploads, tag names, referrers and the catalog.
package registry

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/quayside/quayside/quay/quaytest/internal/cursor"
	"github.com/quayside/quayside/quay/quaytest/internal/objectstore"
	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// A Config sets up an API.
type Config struct {
	Store     *store.Store
	Now       func() time.Time
	Cursors   *cursor.Key
	Hostname  string               // that the registry calls itself; "" is the name of each request
	Storage   *objectstore.Storage // nil: blobs are on the registry's own disk
	BlobRange bool                 // the own disk honours Range
}

// An API is the registry API of one server. It is safe for concurrent use.
type API struct {
	Config
	signer  func() *signer // of registry tokens; made on the first call
	uploads uploads
}

// New returns a registry API.
func New(c Config) *API { return &API{Config: c, signer: newSigner()} }

// The forms of digests and tags in a path. A path with any other reference has no
// route. A digest in capitals has a route, to something that does not exist.
var (
	digestForm = wire.Pattern(`^[A-Za-z0-9_+.-]+:[A-Fa-f0-9]+$`)
	tagForm    = wire.Pattern(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// The methods of routes that change something, as Allow lists them.
const (
	manifestMethods = wire.ReadMethods + ", PUT, DELETE"
	blobMethods     = wire.ReadMethods + ", DELETE"
	deleteMethods   = "DELETE, OPTIONS"
	startMethods    = "OPTIONS, POST"
	uploadMethods   = wire.ReadMethods + ", PATCH, PUT, DELETE"
)

// ServeHTTP answers a request for a path below /v2/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := wire.MergeSlashes(r.URL.Path)
	switch {
	case strings.ContainsFunc(path, unicode.IsControl): // which the header of a refusal cannot contain
		wire.SendNginx(w, http.StatusBadRequest, "400 Bad Request", "400 Bad Request", "")
	case path == "/v2":
		wire.Redirect(w, r, "/v2/")
	case path != r.URL.Path:
		wire.Redirect(w, r, path)
	default:
		a.serveRoute(w, r)
	}
}

// A route is the meaning of a path.
type route struct {
	methods string // as Allow lists them
	serve   func(a *API, w http.ResponseWriter, r *http.Request, name, last string)
	name    string // of the repository, "namespace/name"
	last    string // tag, digest or upload
}

// serveRoute calls the route of a path. It refuses other methods as Quay's
// framework does.
func (a *API) serveRoute(w http.ResponseWriter, r *http.Request) {
	rt, ok := findRoute(r.URL.Path)
	switch {
	case !ok:
		wire.SendPage(w, r, http.StatusNotFound)
	case !slices.Contains(strings.Split(rt.methods, ", "), r.Method):
		if r.Method == http.MethodPost && rt.last == "uploads" && rt.methods == deleteMethods {
			wire.Redirect(w, r, r.URL.Path+"/")
			return
		}
		wire.SendMethodNotAllowed(w, r, rt.methods)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", rt.methods)
		wire.Send(w, r, http.StatusOK, wire.HTML, nil)
	default:
		rt.serve(a, w, r, rt.name, rt.last)
	}
}

// findRoute parses a path. A repository's name is everything between /v2/ and the
// last two parts of the path, so a name may be nested and contain parts such as
// "tags" or "manifests". Percent escapes are decoded already: %2F is a slash
// (doc/quay-api.md section 2, "URL form"). A name of one part is in the namespace
// "library" (LIBRARY_SUPPORT).
func findRoute(path string) (route, bool) {
	switch path {
	case "/v2/":
		return route{methods: wire.ReadMethods, serve: (*API).servePing}, true
	case "/v2/auth":
		return route{methods: wire.ReadMethods, serve: (*API).serveToken}, true
	case "/v2/_catalog":
		return route{methods: wire.ReadMethods, serve: (*API).serveCatalog}, true
	}
	parts := strings.Split(strings.TrimPrefix(path, "/v2/"), "/")
	n := len(parts) - 2
	if n < 1 {
		return route{}, false
	}
	if n > 1 && parts[n-1] == "blobs" && parts[n] == "uploads" {
		rt := route{name: repositoryOf(parts[:n-1]), last: parts[n+1], methods: uploadMethods, serve: (*API).serveUpload}
		if rt.last == "" {
			rt.methods, rt.serve = startMethods, (*API).serveUploads
		}
		return rt, true
	}
	rt := route{name: repositoryOf(parts[:n]), last: parts[n+1], methods: wire.ReadMethods}
	digest := digestForm().MatchString(rt.last)
	switch kind := parts[n]; {
	case kind == "manifests" && (digest || tagForm().MatchString(rt.last)):
		rt.methods, rt.serve = manifestMethods, (*API).serveManifests
	case kind == "blobs" && digest:
		rt.methods, rt.serve = blobMethods, (*API).serveBlobs
	case kind == "blobs" && rt.last != "": // only DELETE has a route (recording registry-blob)
		rt.methods, rt.serve = deleteMethods, (*API).serveBlobs
	case kind == "tags" && rt.last == "list":
		rt.serve = (*API).serveTagNames
	case kind == "referrers" && digest:
		rt.serve = (*API).serveReferrers
	default:
		return route{}, false
	}
	return rt, true
}

// repositoryOf joins the parts of a repository's name.
func repositoryOf(parts []string) string {
	if len(parts) == 1 {
		return "library/" + parts[0]
	}
	return strings.Join(parts, "/")
}

// serveManifests answers .../manifests/REFERENCE.
func (a *API) serveManifests(w http.ResponseWriter, r *http.Request, name, reference string) {
	switch r.Method {
	case http.MethodPut:
		a.servePutManifest(w, r, name, reference)
	case http.MethodDelete:
		a.serveDeleteManifest(w, r, name, reference)
	default:
		a.serveManifest(w, r, name, reference)
	}
}

// serveBlobs answers .../blobs/DIGEST. Quay does not delete blobs
// (endpoints/v2/blob.py).
func (a *API) serveBlobs(w http.ResponseWriter, r *http.Request, name, digest string) {
	if r.Method != http.MethodDelete {
		a.serveBlob(w, r, name, digest)
		return
	}
	token, ok := a.bearer(w, r, name, toPush)
	switch {
	case !ok:
	case !token.pushes(name):
		a.unauthorized(w, r, name, toPush, notAuthorized)
	default:
		sendError(w, r, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", struct{}{})
	}
}

// servePing answers /v2/: 401 if the caller has no registry token. The body is
// "true" all the same (recording registry-ping).
func (a *API) servePing(w http.ResponseWriter, r *http.Request, _, _ string) {
	token, ok := a.bearer(w, r, "", "")
	if !ok {
		return
	}
	status := http.StatusOK
	if token == nil {
		status = http.StatusUnauthorized
	}
	a.challenge(w, r, "", "") // with either status
	w.Header().Set("X-Sparse-Manifest-Support", "false")
	wire.Send(w, r, status, wire.HTML, []byte("true"))
}

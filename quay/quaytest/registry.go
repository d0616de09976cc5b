// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/rand"
	"net/http"
	"strings"
	"unicode"
)

// registry is what the registry API (/v2/) has beside the state.
//
// Its indexes are made by the first request that needs them, so that a server
// that is only asked for its listing starts as fast as without them. All of it
// is safe for concurrent use.
type registry struct {
	signer  func() *signer                // of registry tokens; made by the first that needs it
	store   func() map[string]*stored     // bytes of blobs, by digest
	holding func() map[string][]*Manifest // manifests of a repository, in the dataset's order
	secret  [32]byte                      // signs the URLs of the object storage
	uploads uploads
}

// newRegistry prepares the registry API over a dataset.
func newRegistry(s *state) *registry {
	g := &registry{signer: newSigner(), store: newStore(s.data), holding: newHolding(s.data)}
	rand.Read(g.secret[:]) // never fails
	return g
}

// What a path may have after /manifests/, /blobs/ and /referrers/. Anything
// else is not a route. A digest that is none the server could have, such as
// one in capitals, is a route to something that is not there.
var (
	digestForm = lazily(`^[A-Za-z0-9_+.-]+:[A-Fa-f0-9]+$`)
	tagForm    = lazily(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// What a route takes that changes nothing, such as the pages of the web
// interface, and what the routes take that change something.
const (
	readMethods     = "HEAD, GET, OPTIONS"
	manifestMethods = readMethods + ", PUT, DELETE"
	blobMethods     = readMethods + ", DELETE"
	deleteMethods   = "DELETE, OPTIONS"
	startMethods    = "OPTIONS, POST"
	uploadMethods   = readMethods + ", PATCH, PUT, DELETE"
)

// serveRegistry answers a request under /v2/.
func (h *Handler) serveRegistry(w http.ResponseWriter, r *http.Request) {
	path := slashes().ReplaceAllString(r.URL.Path, "/")
	switch {
	case strings.ContainsFunc(path, unicode.IsControl): // could not stand in the header of a refusal
		sendNginx(w, http.StatusBadRequest, "400 Bad Request", "400 Bad Request", "")
	case path == "/v2":
		sendRedirect(w, r, "/v2/")
	case path != r.URL.Path:
		sendRedirect(w, r, path)
	default:
		h.serveRegistryRoute(w, r)
	}
}

// A registryRoute is what a path of the registry API stands for.
type registryRoute struct {
	methods string // that it takes, as Allow names them
	serve   func(h *Handler, w http.ResponseWriter, r *http.Request, name, last string)
	name    string // of the repository, "namespace/name"
	last    string // tag, digest or upload
}

// serveRegistryRoute finds what answers a path, and refuses the methods that
// it does not take as the framework does.
func (h *Handler) serveRegistryRoute(w http.ResponseWriter, r *http.Request) {
	route, ok := findRegistryRoute(r.URL.Path)
	switch {
	case !ok:
		sendPage(w, r, http.StatusNotFound)
	case !takes(route.methods, r.Method):
		if r.Method == http.MethodPost && route.last == "uploads" && route.methods == deleteMethods {
			sendRedirect(w, r, r.URL.Path+"/")
			return
		}
		refuseMethod(w, r, route.methods)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", route.methods)
		sendBytes(w, r, http.StatusOK, htmlType, nil)
	default:
		route.serve(h, w, r, route.name, route.last)
	}
}

// takes reports whether a method is among those that Allow names.
func takes(methods, method string) bool {
	for m := range strings.SplitSeq(methods, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// findRegistryRoute reads a path. A repository's name is all between /v2/ and
// the last two parts of the path, so names may be nested and may have parts
// called "tags" or "manifests". Percent escapes are undone by now: %2F parts a
// name as a slash does (doc/quay-api.md section 2, "URL form"). A name of one
// part is in the namespace "library" (LIBRARY_SUPPORT).
func findRegistryRoute(path string) (registryRoute, bool) {
	switch path {
	case "/v2/":
		return registryRoute{methods: readMethods, serve: (*Handler).servePing}, true
	case "/v2/auth":
		return registryRoute{methods: readMethods, serve: (*Handler).serveToken}, true
	case "/v2/_catalog":
		return registryRoute{methods: readMethods, serve: (*Handler).serveCatalog}, true
	}
	parts := strings.Split(strings.TrimPrefix(path, "/v2/"), "/")
	n := len(parts) - 2
	if n < 1 {
		return registryRoute{}, false
	}
	if n > 1 && parts[n-1] == "blobs" && parts[n] == "uploads" {
		route := registryRoute{name: repositoryOf(parts[:n-1]), last: parts[n+1], methods: uploadMethods, serve: (*Handler).serveUpload}
		if route.last == "" {
			route.methods, route.serve = startMethods, (*Handler).serveUploads
		}
		return route, true
	}
	route := registryRoute{name: repositoryOf(parts[:n]), last: parts[n+1], methods: readMethods}
	digest := digestForm().MatchString(route.last)
	switch kind := parts[n]; {
	case kind == "manifests" && (digest || tagForm().MatchString(route.last)):
		route.methods, route.serve = manifestMethods, (*Handler).serveManifests
	case kind == "blobs" && digest:
		route.methods, route.serve = blobMethods, (*Handler).serveBlobs
	case kind == "blobs" && route.last != "": // a route for deletion alone takes it (recording registry-blob)
		route.methods, route.serve = deleteMethods, (*Handler).serveBlobs
	case kind == "tags" && route.last == "list":
		route.serve = (*Handler).serveTagNames
	case kind == "referrers" && digest:
		route.serve = (*Handler).serveReferrers
	default:
		return registryRoute{}, false
	}
	return route, true
}

// repositoryOf joins the parts of a repository's name.
func repositoryOf(parts []string) string {
	if len(parts) == 1 {
		return "library/" + parts[0]
	}
	return strings.Join(parts, "/")
}

// serveManifests answers .../manifests/REFERENCE.
func (h *Handler) serveManifests(w http.ResponseWriter, r *http.Request, name, reference string) {
	switch r.Method {
	case http.MethodPut:
		h.servePutManifest(w, r, name, reference)
	case http.MethodDelete:
		h.serveDeleteManifest(w, r, name, reference)
	default:
		h.serveManifest(w, r, name, reference)
	}
}

// serveBlobs answers .../blobs/DIGEST. Quay deletes no blob (endpoints/v2/blob.py).
func (h *Handler) serveBlobs(w http.ResponseWriter, r *http.Request, name, digest string) {
	if r.Method != http.MethodDelete {
		h.serveBlob(w, r, name, digest)
		return
	}
	token, ok := h.bearer(w, r, name, toPush)
	switch {
	case !ok:
	case !token.pushes(name):
		h.unauthorized(w, r, name, toPush, notAuthorized)
	default:
		refuse(w, r, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", struct{}{})
	}
}

// servePing answers whether the caller has a good registry token: 401, and
// "true" all the same, without one (recording registry-ping).
func (h *Handler) servePing(w http.ResponseWriter, r *http.Request, _, _ string) {
	token, ok := h.bearer(w, r, "", "")
	if !ok {
		return
	}
	status := http.StatusOK
	if token == nil {
		status = http.StatusUnauthorized
	}
	h.challenge(w, r, "", "") // it comes with either status
	w.Header().Set("X-Sparse-Manifest-Support", "false")
	sendBytes(w, r, status, htmlType, []byte("true"))
}

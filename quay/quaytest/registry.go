// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"
	"unicode"
)

// registry is what the registry API (/v2/) has beside the state. It serves
// pulls: every push, and every deletion, is 405.
//
// Its indexes are made by the first request that needs them, so that a server
// that is only asked for its listing starts as fast as without them. All of it
// is safe for concurrent use.
type registry struct {
	signer  func() *signer                // of registry tokens; made by the first that needs it
	store   func() map[string]*stored     // bytes of blobs, by digest
	holding func() map[string][]*Manifest // manifests of a repository, in the dataset's order
	secret  [32]byte                      // signs the URLs of the object storage
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
	digestForm = regexp.MustCompile(`^[A-Za-z0-9_+.-]+:[A-Fa-f0-9]+$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// readMethods is what a route takes that changes nothing: every one of the
// registry API here, and the web interface's pages.
const readMethods = "HEAD, GET, OPTIONS"

// serveRegistry answers a request under /v2/.
func (h *Handler) serveRegistry(w http.ResponseWriter, r *http.Request) {
	path := slashes.ReplaceAllString(r.URL.Path, "/")
	switch {
	case strings.ContainsFunc(path, unicode.IsControl): // could not stand in the header of a refusal
		sendNginx(w, http.StatusBadRequest, "400 Bad Request", "400 Bad Request", "")
	case path == "/v2":
		sendRedirect(w, r, "/v2/")
	case path != r.URL.Path:
		sendRedirect(w, r, path)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		h.servePull(w, r)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", readMethods)
		sendBytes(w, r, http.StatusOK, htmlType, nil)
	default:
		refuseMethod(w, r, readMethods)
	}
}

// servePull finds what answers a path. A repository's name is all between
// /v2/ and the last two parts of the path, so names may be nested and may have
// parts called "tags" or "manifests".
func (h *Handler) servePull(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v2/":
		h.servePing(w, r)
		return
	case "/v2/auth":
		h.serveToken(w, r)
		return
	case "/v2/_catalog":
		h.serveCatalog(w, r)
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	n := len(parts) - 2
	if n < 2 {
		sendNotFoundPage(w, r)
		return
	}
	// Percent escapes are undone by now: %2F parts a name as a slash does
	// (doc/quay-api.md section 2, "URL form").
	name, kind, last := strings.Join(parts[:n], "/"), parts[n], parts[n+1]
	digest := digestForm.MatchString(last)
	switch {
	case kind == "manifests" && (digest || tagForm.MatchString(last)):
		h.serveManifest(w, r, name, last)
	case kind == "blobs" && digest:
		h.serveBlob(w, r, name, last)
	case kind == "blobs" && last != "": // a route for deletion alone takes it (recording registry-blob)
		refuseMethod(w, r, "DELETE, OPTIONS")
	case kind == "tags" && last == "list":
		h.serveTagNames(w, r, name)
	case kind == "referrers" && digest:
		h.serveReferrers(w, r, name, last)
	default:
		sendNotFoundPage(w, r)
	}
}

// servePing answers whether the caller has a good registry token: 401, and
// "true" all the same, without one (recording registry-ping).
func (h *Handler) servePing(w http.ResponseWriter, r *http.Request) {
	token, ok := h.bearer(w, r, "")
	if !ok {
		return
	}
	status := http.StatusOK
	if token == nil {
		status = http.StatusUnauthorized
	}
	challenge(w, r, "") // it comes with either status
	w.Header().Set("X-Sparse-Manifest-Support", "false")
	sendBytes(w, r, status, htmlType, []byte("true"))
}

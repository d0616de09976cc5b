// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// serveManifest answers with the manifest that a tag or digest names, in a form that
// the client accepts (doc/quay-api.md section 5; recording registry-manifest).
//
// Quay converts a manifest that the client does not accept to Docker schema 1, with
// another digest. It never converts a manifest that is requested by digest.
func (a *API) serveManifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	repository := a.existing(w, r, name)
	if repository == nil {
		return
	}
	var m *store.Manifest
	if digestForm().MatchString(reference) { // Accept does not matter
		d := digest.Digest(reference)
		if m = a.Store.Manifest(name, d); m == nil || !a.reachable(repository, d, a.Now()) {
			manifestUnknown(w, r, struct{}{})
			return
		}
	} else {
		tag := repository.Tags.Current(reference, a.Now())
		if tag == nil {
			a.refuseTag(w, r, repository, reference)
			return
		}
		if m = a.Store.Manifest(name, tag.Digest); m == nil {
			manifestUnknown(w, r, "quaytest: the dataset has no text for the tag's "+tag.Digest.String())
			return
		}
		var err error
		if m, err = a.negotiate(m, tag.Name, accepted(r)); err != nil {
			sendError(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", err.Error(), struct{}{})
			return
		}
	}
	w.Header().Set("Docker-Content-Digest", m.Digest.String())
	wire.Send(w, r, http.StatusOK, m.MediaType, []byte(m.Content))
}

// manifestUnknown answers 404. The usual detail is an empty object
// (doc/quay-api.md, "Corrections").
func manifestUnknown(w http.ResponseWriter, r *http.Request, detail any) {
	sendError(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown", detail)
}

// refuseTag answers for a tag that is not live: TAG_EXPIRED if it was deleted or has
// expired, and otherwise MANIFEST_UNKNOWN.
func (a *API) refuseTag(w http.ResponseWriter, r *http.Request, repository *store.Repository, tag string) {
	now := a.Now()
	for _, t := range repository.Tags.Named(tag) {
		if t.Name == tag && t.Ended(now) {
			sendError(w, r, http.StatusNotFound, "TAG_EXPIRED",
				"Tag "+tag+" was deleted or has expired. To pull, revive via time machine", struct{}{})
			return
		}
	}
	manifestUnknown(w, r, struct{}{})
}

// reachable reports whether a manifest can be pulled by digest. A manifest whose tags
// have all ended cannot, unless an index with a live tag names it. A manifest without
// a tag can: Quay keeps such manifests by hidden tags, which not every dataset has.
func (a *API) reachable(repository *store.Repository, d digest.Digest, now time.Time) bool {
	had := false
	rows := repository.Tags.Rows()
	for i := range rows {
		t := &rows[i]
		if !t.Ended(now) && (t.Digest == d || a.Store.Names(repository, t.Digest, d)) {
			return true
		}
		had = had || t.Digest == d
	}
	return !had
}

// accepted returns the media types in the Accept header. "*/*" matches no other type
// (doc/quay-api.md, "Recorded").
func accepted(r *http.Request) []string {
	var types []string
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		mediaType, _, _ := strings.Cut(part, ";")
		types = append(types, strings.ToLower(strings.TrimSpace(mediaType)))
	}
	return types
}

// negotiate returns the manifest itself if its type is accepted. Otherwise an index
// is replaced by its manifest for linux/amd64, and a manifest by its form in schema 1
// (recording registry-manifest). Quay considers only the first manifest for that
// platform.
func (a *API) negotiate(m *store.Manifest, tag string, accept []string) (*store.Manifest, error) {
	if slices.Contains(accept, m.MediaType) || strings.HasPrefix(m.MediaType, "application/vnd.docker.distribution.manifest.v1+") {
		return m, nil
	}
	if !store.IsIndex(m.MediaType) {
		return a.schema1(m, tag)
	}
	var index struct {
		Manifests []struct {
			Digest   digest.Digest `json:"digest"`
			Platform struct {
				OS           string `json:"os"`
				Architecture string `json:"architecture"`
			} `json:"platform"`
		} `json:"manifests"`
	}
	if json.Unmarshal([]byte(m.Content), &index) != nil {
		return nil, errNoSchema1
	}
	for _, of := range index.Manifests {
		if of.Platform.OS != "linux" || of.Platform.Architecture != "amd64" {
			continue
		}
		if child := a.Store.Manifest(m.Repository, of.Digest); child != nil && !store.IsIndex(child.MediaType) {
			return a.negotiate(child, tag, accept)
		}
		break
	}
	return nil, errNoSchema1
}

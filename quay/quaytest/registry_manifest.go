// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// newHolding gives the function that sorts the manifests by repository, in
// the dataset's order, once they are asked for.
func newHolding(d *Dataset) func() map[string][]*Manifest {
	return sync.OnceValue(func() map[string][]*Manifest {
		of := map[string][]*Manifest{}
		for i := range d.Manifests {
			m := &d.Manifests[i]
			of[m.Repository] = append(of[m.Repository], m)
		}
		return of
	})
}

// serveManifest answers with the manifest that a tag or digest stands for, in
// a form that the client accepts (doc/quay-api.md section 5; recording
// registry-manifest).
//
// Quay turns what the client does not accept into Docker schema 1, with
// another digest. A manifest that is asked for by digest comes as it is.
func (h *Handler) serveManifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	repository := h.existing(w, r, name)
	if repository == nil {
		return
	}
	var m *Manifest
	if digestForm().MatchString(reference) { // whatever type it has: Accept does not matter
		if m = h.st.manifest(name, reference); m == nil || !h.reachable(repository, reference, h.now()) {
			manifestUnknown(w, r, struct{}{})
			return
		}
	} else {
		tag, ok := h.st.activeTag(repository, reference, h.now())
		if !ok {
			h.refuseTag(w, r, repository, reference)
			return
		}
		if m = h.st.manifest(name, tag.Digest); m == nil {
			manifestUnknown(w, r, "quaytest: the dataset has no text for the tag's "+tag.Digest)
			return
		}
		var err error
		if m, err = h.negotiate(m, tag.Name, accepted(r)); err != nil {
			refuse(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", err.Error(), struct{}{})
			return
		}
	}
	w.Header().Set("Docker-Content-Digest", m.Digest)
	sendBytes(w, r, http.StatusOK, m.MediaType, []byte(m.Content))
}

// manifestUnknown answers 404. The detail of what is simply not there is an
// empty object (doc/quay-api.md, "Corrections").
func manifestUnknown(w http.ResponseWriter, r *http.Request, detail any) {
	refuse(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown", detail)
}

// refuseTag answers for a tag that is not alive: TAG_EXPIRED when it once was,
// and has been deleted or has expired since. Hidden tags never were.
func (h *Handler) refuseTag(w http.ResponseWriter, r *http.Request, repository *Repository, tag string) {
	now := h.now()
	for _, t := range h.st.tagIndex(repository).named(tag) {
		if t.Name == tag && !t.End.IsZero() && !t.End.After(now) {
			refuse(w, r, http.StatusNotFound, "TAG_EXPIRED",
				"Tag "+tag+" was deleted or has expired. To pull, revive via time machine", struct{}{})
			return
		}
	}
	manifestUnknown(w, r, struct{}{})
}

// reachable tells whether a manifest can be had by digest. One whose tags are
// all gone cannot, unless an index with a live tag names it; one that never
// had a tag can, for the hidden tags that Quay keeps such manifests with are
// not in every dataset.
func (h *Handler) reachable(repository *Repository, digest string, now time.Time) bool {
	had := false
	for i := range repository.Tags {
		t := &repository.Tags[i]
		alive := t.End.IsZero() || t.End.After(now) // hidden or not
		if alive && (t.Digest == digest || h.names(repository, t.Digest, digest)) {
			return true
		}
		had = had || t.Digest == digest
	}
	return !had
}

// names tells whether a digest is that of an index that names another.
func (h *Handler) names(repository *Repository, index, digest string) bool {
	m := h.st.manifest(repository.Namespace+"/"+repository.Name, index)
	return m != nil && slices.Contains(h.st.children(m).digests, digest)
}

// accepted gives the media types that a request lists. "*/*" stands for
// nothing but itself (doc/quay-api.md, "Recorded").
func accepted(r *http.Request) []string {
	var types []string
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		mediaType, _, _ := strings.Cut(part, ";")
		types = append(types, strings.ToLower(strings.TrimSpace(mediaType)))
	}
	return types
}

// negotiate gives the manifest itself when its type is accepted, what an
// index has for linux on amd64 when only that one's type is, and otherwise
// what schema 1 makes of it (recording registry-manifest). Quay looks no
// further than the first manifest for that platform.
func (h *Handler) negotiate(m *Manifest, tag string, accept []string) (*Manifest, error) {
	if slices.Contains(accept, m.MediaType) || strings.HasPrefix(m.MediaType, "application/vnd.docker.distribution.manifest.v1+") {
		return m, nil
	}
	if !isIndex(m.MediaType) {
		return h.schema1(m, tag)
	}
	var index struct {
		Manifests []struct {
			Digest   string `json:"digest"`
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
		if child := h.st.manifest(m.Repository, of.Digest); child != nil && !isIndex(child.MediaType) {
			return h.negotiate(child, tag, accept)
		}
		break
	}
	return nil, errNoSchema1
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
)

// serveReferrers answers with an index of the manifests that name another one
// as their subject: signatures and attestations (recording
// registry-referrers). They come in the dataset's order. A subject that the
// repository does not have is 400.
//
// The parameter artifactType picks those of one type, and the answer says in
// OCI-Filters-Applied that it did. A manifest without an artifact type has
// that of its configuration. An image that is signed the old way, by a tag
// named after its digest, has no referrer for it.
func (h *Handler) serveReferrers(w http.ResponseWriter, r *http.Request, name, subject string) {
	repository := h.existing(w, r, name)
	if repository == nil {
		return
	}
	if h.st.manifest(name, subject) == nil || !h.reachable(repository, subject, h.now()) {
		refuse(w, r, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", "")
		return
	}
	type descriptor struct {
		MediaType    string            `json:"mediaType"`
		Digest       string            `json:"digest"`
		Size         int               `json:"size"`
		ArtifactType string            `json:"artifactType,omitempty"`
		Annotations  map[string]string `json:"annotations,omitempty"`
	}
	index := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []descriptor      `json:"manifests"`
		Annotations   map[string]string `json:"annotations,omitempty"` // those of the manifests
	}{SchemaVersion: 2, MediaType: ociIndex,
		Manifests: []descriptor{}, Annotations: map[string]string{}}

	artifactType, _ := parameters(r.URL.RawQuery).text("artifactType")
	if artifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	for _, m := range h.manifestsOf(name) {
		// An index has no configuration, which leaves its type empty.
		var content struct {
			Subject struct {
				Digest string `json:"digest"`
			} `json:"subject"`
			Config struct {
				MediaType string `json:"mediaType"`
			} `json:"config"`
			ArtifactType string            `json:"artifactType"`
			Annotations  map[string]string `json:"annotations"`
		}
		if !strings.Contains(m.Content, subject) || json.Unmarshal([]byte(m.Content), &content) != nil || content.Subject.Digest != subject {
			continue
		}
		d := descriptor{m.MediaType, m.Digest, len(m.Content), cmp.Or(content.ArtifactType, content.Config.MediaType), content.Annotations}
		if artifactType != "" && d.ArtifactType != artifactType {
			continue
		}
		index.Manifests = append(index.Manifests, d)
		maps.Copy(index.Annotations, d.Annotations)
	}
	// Quay indents this answer, unlike its others.
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	e.SetIndent("", "   ")
	if err := e.Encode(index); err != nil {
		panic(err) // text and numbers
	}
	sendBytes(w, r, http.StatusOK, index.MediaType, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// serveReferrers answers with an index of the manifests whose subject is a manifest:
// its signatures and attestations (recording registry-referrers). They are in the
// order of the dataset. A subject that the repository does not have is 400.
//
// The parameter artifactType selects one type; the header OCI-Filters-Applied
// confirms that. A manifest without an artifact type has the type of its
// configuration. A signature that only a tag links to its image is not a referrer.
func (a *API) serveReferrers(w http.ResponseWriter, r *http.Request, name, subject string) {
	repository := a.existing(w, r, name)
	if repository == nil {
		return
	}
	if a.Store.Manifest(name, digest.Digest(subject)) == nil || !a.reachable(repository, digest.Digest(subject), a.Now()) {
		sendError(w, r, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", "")
		return
	}
	type descriptor struct {
		MediaType    string            `json:"mediaType"`
		Digest       digest.Digest     `json:"digest"`
		Size         int               `json:"size"`
		ArtifactType string            `json:"artifactType,omitempty"`
		Annotations  map[string]string `json:"annotations,omitempty"`
	}
	index := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []descriptor      `json:"manifests"`
		Annotations   map[string]string `json:"annotations,omitempty"` // of all the manifests together
	}{SchemaVersion: 2, MediaType: store.OCIIndex,
		Manifests: []descriptor{}, Annotations: map[string]string{}}

	artifactType, _ := wire.Query(r.URL.RawQuery).String("artifactType")
	if artifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	for _, m := range a.Store.Manifests(name) {
		// An index has no configuration, so its type stays empty.
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
	// Quay indents this answer and no other.
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	e.SetIndent("", "   ")
	if err := e.Encode(index); err != nil {
		panic(err) // strings and numbers
	}
	wire.Send(w, r, http.StatusOK, index.MediaType, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// indexChildren says which manifests an index names, and which of them the
// repository has.
type indexChildren struct {
	digests []string
	present []bool
	count   int // of those present
}

// isIndex tells whether a media type is that of an OCI index or a Docker
// manifest list.
func isIndex(mediaType string) bool {
	switch mediaType {
	case ociIndex, "application/vnd.docker.distribution.manifest.list.v2+json":
		return true
	}
	return false
}

// addIndexes looks up the children of every index.
func (s *state) addIndexes() {
	for i := range s.data.Manifests {
		m := &s.data.Manifests[i]
		if !isIndex(m.MediaType) {
			continue
		}
		var index struct {
			Manifests []struct {
				Digest string `json:"digest"`
			} `json:"manifests"`
		}
		if json.Unmarshal([]byte(m.Content), &index) != nil {
			continue
		}
		var c indexChildren
		for _, child := range index.Manifests {
			has := s.manifest(m.Repository, child.Digest) != nil
			c.digests, c.present = append(c.digests, child.Digest), append(c.present, has)
			if has {
				c.count++
			}
		}
		s.indexes[m] = c
	}
}

// serveManifestDetail answers GET .../manifest/DIGEST: the manifest's text
// and, of an image, its layers (recording manifest-detail).
func (h *Handler) serveManifestDetail(q call) {
	m := h.manifestOf(q)
	if m == nil {
		return
	}
	var of image
	var layers []shownLayer
	index := isIndex(m.MediaType)
	if !index {
		ok := json.Unmarshal([]byte(m.Content), &of) == nil
		if ok {
			layers, ok = h.layers(m, of)
		}
		if !ok {
			sendMessage(q.w, q.r, http.StatusNotFound, notFoundMessage)
			return
		}
	}
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"digest": `...), m.Digest)
		b = appendBool(append(b, `, "is_manifest_list": `...), index)
		b = appendText(append(b, `, "manifest_data": `...), m.Content)
		if index {
			return append(b, `, "config_media_type": null, "layers_compressed_size": 0, "layers": null}`...)
		}
		b = appendText(append(b, `, "config_media_type": `...), of.Config.MediaType)
		var size int64
		for _, l := range of.Layers {
			size += l.Size
		}
		b = appendNumber(append(b, `, "layers_compressed_size": `...), size, `, "layers": [`)
		for i, l := range layers {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendLayer(b, i, l)
		}
		return append(b, "]}"...)
	})
}

// serveLabels answers GET .../manifest/DIGEST/labels: the labels of a manifest,
// or those whose keys begin with the parameter filter (recording
// manifest-detail).
func (h *Handler) serveLabels(q call) {
	m := h.manifestOf(q)
	if m == nil {
		return
	}
	prefix, _ := q.params.text("filter")
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"labels": [`...)
		first := true
		for _, l := range h.labels(m) {
			if !strings.HasPrefix(l.key, prefix) {
				continue
			}
			if !first {
				b = append(b, ", "...)
			}
			first = false
			b = appendLabel(b, m, l)
		}
		return append(b, "]}"...)
	})
}

// serveLabel answers GET .../manifest/DIGEST/labels/ID.
func (h *Handler) serveLabel(q call) {
	m := h.manifestOf(q)
	if m == nil {
		return
	}
	for _, l := range h.labels(m) {
		if labelID(m.Digest, l.key) == q.route.label {
			sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return appendLabel(b, m, l) })
			return
		}
	}
	sendProblem(q.w, q.r, problemNotFound)
}

// appendLabel appends one label of a manifest.
func appendLabel(b []byte, m *Manifest, l label) []byte {
	b = appendText(append(b, `{"id": `...), labelID(m.Digest, l.key))
	b = appendText(append(b, `, "key": `...), l.key)
	b = appendText(append(b, `, "value": `...), l.value)
	b = append(b, `, "source_type": "manifest", "media_type": "`...)
	if json.Valid([]byte(l.value)) && (l.value[0] == '{' || l.value[0] == '[') {
		return append(b, `application/json"}`...)
	}
	return append(b, `text/plain"}`...)
}

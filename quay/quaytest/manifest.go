// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"net/http"
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
	m, config := h.manifestAndConfig(q)
	if m == nil {
		return
	}
	var image struct {
		Config struct {
			MediaType string `json:"mediaType"`
		} `json:"config"`
		Layers []wireLayer `json:"layers"`
	}
	index := isIndex(m.MediaType)
	if !index && (config == nil || json.Unmarshal([]byte(m.Content), &image) != nil) {
		sendProblem(q.w, q.r, problemNotFound) // its layers cannot be told
		return
	}
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"digest": `...), m.Digest)
		b = appendBool(append(b, `, "is_manifest_list": `...), index)
		b = appendText(append(b, `, "manifest_data": `...), m.Content)
		if index {
			return append(b, `, "config_media_type": null, "layers_compressed_size": null, "layers": null}`...)
		}
		b = appendText(append(b, `, "config_media_type": `...), image.Config.MediaType)
		var size int64
		for _, l := range image.Layers {
			size += l.Size
		}
		b = appendNumber(append(b, `, "layers_compressed_size": `...), size, `, "layers": [`)
		history := config.steps()
		for i, l := range image.Layers {
			var step imageStep
			if i < len(history) {
				step = history[i]
			}
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendLayer(b, i, l, step)
		}
		return append(b, "]}"...)
	})
}

// serveLabels answers GET .../manifest/DIGEST/labels: the labels of the
// image's configuration (recording manifest-detail).
func (h *Handler) serveLabels(q call) {
	m, config := h.manifestAndConfig(q)
	if m == nil {
		return
	}
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"labels": [`...)
		for i, l := range config.labels() {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendText(append(b, `{"id": `...), labelID(m.Digest, l.key))
			b = appendText(append(b, `, "key": `...), l.key)
			b = appendText(append(b, `, "value": `...), l.value)
			b = append(b, `, "source_type": "manifest", "media_type": "`...)
			if json.Valid([]byte(l.value)) && (l.value[0] == '{' || l.value[0] == '[') {
				b = append(b, `application/json"}`...)
			} else {
				b = append(b, `text/plain"}`...)
			}
		}
		return append(b, "]}"...)
	})
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// serveManifestDetail answers GET .../manifest/DIGEST with the manifest's text and,
// for an image, its layers (recording manifest-detail).
func (a *API) serveManifestDetail(q call) {
	m := a.manifestOf(q)
	if m == nil {
		return
	}
	var layers []shownLayer
	index := store.IsIndex(m.MediaType)
	of, ok := m.Image()
	if !index {
		if ok {
			layers, ok = a.layers(m, of)
		}
		if !ok {
			wire.SendMessage(q.w, q.r, http.StatusNotFound, wire.NoSuchURL)
			return
		}
	}
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = wire.AppendString(append(b, `{"digest": `...), m.Digest)
		b = wire.AppendBool(append(b, `, "is_manifest_list": `...), index)
		b = wire.AppendString(append(b, `, "manifest_data": `...), m.Content)
		if index {
			return append(b, `, "config_media_type": null, "layers_compressed_size": 0, "layers": null}`...)
		}
		b = wire.AppendString(append(b, `, "config_media_type": `...), of.Config.MediaType)
		var size int64
		for _, l := range of.Layers {
			size += l.Size
		}
		b = wire.AppendInt(append(b, `, "layers_compressed_size": `...), size, `, "layers": [`)
		for i, l := range layers {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendLayer(b, i, l)
		}
		return append(b, "]}"...)
	})
}

// serveLabels answers GET .../manifest/DIGEST/labels with the labels of a manifest,
// or with those whose keys begin with the parameter filter (recording
// manifest-detail).
func (a *API) serveLabels(q call) {
	m := a.manifestOf(q)
	if m == nil {
		return
	}
	prefix, _ := q.params.String("filter")
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"labels": [`...)
		first := true
		for _, l := range a.labels(m) {
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
func (a *API) serveLabel(q call) {
	m := a.manifestOf(q)
	if m == nil {
		return
	}
	for _, l := range a.labels(m) {
		if labelID(m.Digest, l.key) == q.route.label {
			wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return appendLabel(b, m, l) })
			return
		}
	}
	wire.SendProblem(q.w, q.r, wire.NotFound)
}

// appendLabel appends a label of a manifest.
func appendLabel(b []byte, m *store.Manifest, l label) []byte {
	b = wire.AppendString(append(b, `{"id": `...), labelID(m.Digest, l.key))
	b = wire.AppendString(append(b, `, "key": `...), l.key)
	b = wire.AppendString(append(b, `, "value": `...), l.value)
	b = append(b, `, "source_type": "manifest", "media_type": "`...)
	if json.Valid([]byte(l.value)) && (l.value[0] == '{' || l.value[0] == '[') {
		return append(b, `application/json"}`...)
	}
	return append(b, `text/plain"}`...)
}

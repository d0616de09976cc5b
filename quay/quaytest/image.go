// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An imageConfig is an image's configuration blob, as far as the REST API
// shows it.
type imageConfig struct {
	Created time.Time `json:"created"`
	Author  string    `json:"author"`
	Config  struct {
		Labels json.RawMessage `json:"Labels"`
		Cmd    json.RawMessage `json:"Cmd"`
	} `json:"config"`
	History []imageStep `json:"history"`
}

// An imageStep is one step of an image's history.
type imageStep struct {
	Created    time.Time `json:"created"`
	CreatedBy  string    `json:"created_by"`
	Comment    string    `json:"comment"`
	Author     string    `json:"author"`
	EmptyLayer bool      `json:"empty_layer"`

	command json.RawMessage // in place of CreatedBy
}

// A wireLayer is a layer in a manifest.
type wireLayer struct {
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	URLs      []string `json:"urls"`
}

// remote reports whether a layer is fetched from elsewhere and never pushed.
func (l wireLayer) remote() bool {
	return strings.Contains(l.MediaType, "nondistributable") || strings.Contains(l.MediaType, ".foreign.")
}

// An image is what the text of a manifest that is no index says.
type image struct {
	Config struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
	} `json:"config"`
	Layers      []wireLayer     `json:"layers"`
	Annotations json.RawMessage `json:"annotations"`
}

// tagged reports whether a live tag that shows stands for a manifest, or for
// an index that names it. The REST API shows no other by digest.
func (h *Handler) tagged(repository *Repository, digest string) bool {
	now := h.now()
	return slices.ContainsFunc(repository.Tags, func(t Tag) bool {
		return t.aliveAt(now) && (t.Digest == digest || h.names(repository, t.Digest, digest))
	})
}

// manifestOf gives the manifest that a call asks for, or nil when it has
// answered the call.
func (h *Handler) manifestOf(q call) *Manifest {
	repo := h.authorize(q)
	if repo == nil {
		return nil
	}
	m := h.st.manifest(repo.Namespace+"/"+repo.Name, q.route.digest)
	if m == nil || !h.tagged(repo, m.Digest) {
		sendProblem(q.w, q.r, problemNotFound)
		return nil
	}
	return m
}

// isImage reports whether a manifest is one of an image. An OCI manifest with
// another configuration is an artifact's.
func (m *Manifest) isImage(of image) bool {
	return m.MediaType != ociManifest || of.Config.MediaType == ociConfig
}

// config reads the configuration of an image, or gives nil: the manifest is no
// image's, or its repository lacks the configuration.
func (h *Handler) config(m *Manifest, of image) *imageConfig {
	if !m.isImage(of) {
		return nil
	}
	blob := h.stored(of.Config.Digest)
	var c imageConfig
	if blob == nil || blob.bytes == nil || !h.st.hasBlob(m.Repository, of.Config.Digest) || json.Unmarshal(blob.bytes(), &c) != nil {
		return nil
	}
	return &c
}

// A shownLayer is a layer as the REST API shows it.
type shownLayer struct {
	wireLayer
	step imageStep
}

// layers gives an image's layers with what made them, and reports false if
// Quay cannot tell: the repository lacks the configuration or a layer, or the
// history does not fit. Steps that changed no file have the empty layer. A
// manifest that is no image's has layers that nothing is known of
// (image/oci/manifest.py).
func (h *Handler) layers(m *Manifest, of image) (layers []shownLayer, ok bool) {
	for _, l := range of.Layers {
		if !l.remote() && !h.st.hasBlob(m.Repository, l.Digest) {
			return nil, false
		}
		layers = append(layers, shownLayer{wireLayer: l})
	}
	c := h.config(m, of)
	switch {
	case c == nil:
		return layers, !m.isImage(of)
	case len(c.History) == 0: // all is of the last one
		if len(layers) > 0 {
			layers[len(layers)-1].step = imageStep{Created: c.Created, Author: c.Author, command: c.Config.Cmd}
		}
		return layers, true
	}
	made := layers
	layers = nil
	for _, step := range c.History {
		switch {
		case step.EmptyLayer:
			layers = append(layers, shownLayer{wireLayer{Digest: emptyLayer, Size: 32}, step})
		case len(made) == 0:
			return nil, false
		default:
			layers = append(layers, shownLayer{made[0].wireLayer, step})
			made = made[1:]
		}
	}
	return layers, len(made) == 0
}

// A label is one of a manifest's.
type label struct{ key, value string }

// labels gives a manifest's labels: of an image those of its configuration, and
// then its annotations, which take the place of labels of the same name. Quay
// reads them when a manifest is pushed; one that could not be read has none.
func (h *Handler) labels(m *Manifest) []label {
	var of image
	if isIndex(m.MediaType) || json.Unmarshal([]byte(m.Content), &of) != nil {
		return nil
	}
	var labels []label
	if c := h.config(m, of); c != nil {
		labels = inOrder(c.Config.Labels)
	} else if m.isImage(of) {
		return nil
	}
	if m.MediaType == dockerManifest {
		return labels
	}
	for _, a := range inOrder(of.Annotations) {
		if i := slices.IndexFunc(labels, func(l label) bool { return l.key == a.key }); i >= 0 {
			labels[i] = a
		} else {
			labels = append(labels, a)
		}
	}
	return labels
}

// inOrder gives the members of an object of texts in their order.
func inOrder(object json.RawMessage) []label {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	var labels []label
	for d.More() {
		key, err := d.Token()
		var l label
		if err != nil || d.Decode(&l.value) != nil {
			break
		}
		if l.key, _ = key.(string); l.key != "" {
			labels = append(labels, l)
		}
	}
	return labels
}

// labelID gives a label's id, in the form of a UUID.
func labelID(digest, key string) string {
	s := sha256.Sum256([]byte(digest + "\x00" + key))
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

// appendLayer appends one layer of a manifest's detail.
func appendLayer(b []byte, index int, l shownLayer) []byte {
	b = appendNumber(append(b, `{"index": `...), int64(index), `, "compressed_size": `)
	b = appendNumber(b, l.Size, `, "is_remote": `)
	b = appendBool(b, l.remote())
	urls := "null"
	if len(l.URLs) > 0 {
		text, _ := json.Marshal(l.URLs) // texts always have a JSON form
		urls = string(text)
	}
	b = append(append(b, `, "urls": `...), urls...)
	// A command that is JSON is shown as what it stands for.
	switch command := l.step.CreatedBy; {
	case len(l.step.command) > 0:
		b = append(append(append(b, `, "command": [`...), l.step.command...), ']')
	case command == "":
		b = append(b, `, "command": null`...)
	case json.Valid([]byte(command)):
		b = append(append(b, `, "command": `...), command...)
	default:
		b = append(appendText(append(b, `, "command": [`...), command), ']')
	}
	b = appendTextOrNull(append(b, `, "comment": `...), l.step.Comment)
	b = appendTextOrNull(append(b, `, "author": `...), l.step.Author)
	b = appendText(append(b, `, "blob_digest": `...), l.Digest)
	b = append(b, `, "created_datetime": `...)
	if l.step.Created.IsZero() {
		return append(b, "null}"...)
	}
	return append(appendTime(b, l.step.Created.Unix()), '}')
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// An imageConfig is the part of an image's configuration that the REST API shows.
type imageConfig struct {
	Created time.Time `json:"created"`
	Author  string    `json:"author"`
	Config  struct {
		Labels json.RawMessage `json:"Labels"`
		Cmd    json.RawMessage `json:"Cmd"`
	} `json:"config"`
	History []imageStep `json:"history"`
}

// An imageStep is a step of an image's history.
type imageStep struct {
	Created    time.Time `json:"created"`
	CreatedBy  string    `json:"created_by"`
	Comment    string    `json:"comment"`
	Author     string    `json:"author"`
	EmptyLayer bool      `json:"empty_layer"`

	command json.RawMessage // in place of CreatedBy
}

// tagged reports whether a live tag names a manifest, or an index that names it.
// The REST API shows no other manifest by digest.
func (a *API) tagged(repository *store.Repository, d digest.Digest) bool {
	now := a.Now()
	return slices.ContainsFunc(repository.Tags.Rows(), func(t store.Tag) bool {
		return t.Live(now) && (t.Digest == d || a.Store.Names(repository, t.Digest, d))
	})
}

// manifestOf returns the manifest that a call asks for. If the caller cannot have
// it, manifestOf answers and returns nil.
func (a *API) manifestOf(q call) *store.Manifest {
	repo := a.authorize(q)
	if repo == nil {
		return nil
	}
	m := a.Store.Manifest(repo.FullName(), q.route.digest)
	if m == nil || !a.tagged(repo, m.Digest) {
		wire.SendProblem(q.w, q.r, wire.NotFound)
		return nil
	}
	return m
}

// config returns the configuration of an image. It returns nil if the manifest is
// not an image's or its repository lacks the configuration.
func (a *API) config(m *store.Manifest, of store.Image) *imageConfig {
	var c imageConfig
	if of.Artifact || json.Unmarshal(a.Store.Config(m.Repository, of), &c) != nil {
		return nil
	}
	return &c
}

// A shownLayer is a layer as the REST API shows it.
type shownLayer struct {
	store.Layer
	step imageStep
}

// layers returns an image's layers with the steps that made them. It reports false
// if Quay does not know them: the repository lacks the configuration or a layer, or
// the history does not fit the layers. Steps that changed no file have the empty
// layer. The layers of an artifact have no steps (image/oci/manifest.py).
func (a *API) layers(m *store.Manifest, of store.Image) (layers []shownLayer, ok bool) {
	for _, l := range of.Layers {
		if !l.Remote() && !a.Store.HasBlob(m.Repository, l.Digest) {
			return nil, false
		}
		layers = append(layers, shownLayer{Layer: l})
	}
	c := a.config(m, of)
	switch {
	case c == nil:
		return layers, of.Artifact
	case len(c.History) == 0: // the last layer gets everything
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
			layers = append(layers, shownLayer{store.Layer{Digest: store.EmptyLayer, Size: 32}, step})
		case len(made) == 0:
			return nil, false
		default:
			layers = append(layers, shownLayer{made[0].Layer, step})
			made = made[1:]
		}
	}
	return layers, len(made) == 0
}

// A label is a label of a manifest.
type label struct{ key, value string }

// labels returns a manifest's labels: those of an image's configuration, then the
// manifest's annotations, which replace labels of the same name. Quay reads the
// labels when a manifest is pushed; a manifest that it could not read has none.
func (a *API) labels(m *store.Manifest) []label {
	of, ok := m.Image()
	if !ok {
		return nil
	}
	var labels []label
	if c := a.config(m, of); c != nil {
		labels = inOrder(c.Config.Labels)
	} else if !of.Artifact {
		return nil
	}
	if m.MediaType == store.DockerManifest {
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

// inOrder returns the members of an object of strings in their order.
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

// labelID returns a label's id in the form of a UUID.
func labelID(d digest.Digest, key string) string {
	s := sha256.Sum256([]byte(string(d) + "\x00" + key))
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

// appendLayer appends a layer of a manifest's detail.
func appendLayer(b []byte, index int, l shownLayer) []byte {
	b = wire.AppendInt(append(b, `{"index": `...), int64(index), `, "compressed_size": `)
	b = wire.AppendInt(b, l.Size, `, "is_remote": `)
	b = wire.AppendBool(b, l.Remote())
	urls := "null"
	if len(l.URLs) > 0 {
		text, _ := json.Marshal(l.URLs) // strings always have a JSON form
		urls = string(text)
	}
	b = append(append(b, `, "urls": `...), urls...)
	// A command that is JSON is shown as that JSON.
	switch command := l.step.CreatedBy; {
	case len(l.step.command) > 0:
		b = append(append(append(b, `, "command": [`...), l.step.command...), ']')
	case command == "":
		b = append(b, `, "command": null`...)
	case json.Valid([]byte(command)):
		b = append(append(b, `, "command": `...), command...)
	default:
		b = append(wire.AppendString(append(b, `, "command": [`...), command), ']')
	}
	b = wire.AppendStringOrNull(append(b, `, "comment": `...), l.step.Comment)
	b = wire.AppendStringOrNull(append(b, `, "author": `...), l.step.Author)
	b = wire.AppendString(append(b, `, "blob_digest": `...), l.Digest)
	b = append(b, `, "created_datetime": `...)
	if l.step.Created.IsZero() {
		return append(b, "null}"...)
	}
	return append(wire.AppendTime(b, l.step.Created.Unix()), '}')
}

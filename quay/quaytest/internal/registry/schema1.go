// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// schema1Type is the media type of a converted manifest.
const schema1Type = "application/vnd.docker.distribution.manifest.v1+json"

// errNoSchema1 means that a manifest has no form in schema 1.
var errNoSchema1 = errors.New("manifest unknown")

// schema1 converts an image's manifest to Docker schema 1, as Quay does for a client
// that accepts no other form (doc/quay-api.md, "Recorded"; recording
// registry-manifest; image/oci/manifest.py, image/docker/schema1.py). The digest of
// the result depends on the tag. The text of an error is Quay's.
func (a *API) schema1(m *store.Manifest, tag string) (*store.Manifest, error) {
	of, ok := m.Image()
	if !ok || of.Artifact || slices.ContainsFunc(of.Layers, store.Layer.Remote) {
		return nil, errNoSchema1
	}
	text := a.Store.Config(m.Repository, of)
	if text == nil {
		return nil, invalidf("Could not load config blob for manifest")
	}
	config, err := members(text)
	if err != nil && json.Valid(text) {
		err = errors.New("config data does not match schema")
	} else if err != nil {
		err = fmt.Errorf("malformed config data: %w", err)
	}
	if err != nil {
		return nil, err
	}
	layers, err := schema1Layers(of, config)
	if err != nil {
		return nil, err
	}
	slices.Reverse(layers)
	b := wire.AppendString([]byte("{\n   \"tag\": "), tag)
	b = wire.AppendString(append(b, ",\n   \"name\": "...), m.Repository)
	b = append(b, ",\n   \"architecture\": \"amd64\",\n   \"schemaVersion\": 1,\n   \"history\": "...)
	b = appendIndented(b, "v1Compatibility", layers, func(l schema1Layer) string { return l.compatibility })
	b = append(b, ",\n   \"fsLayers\": "...)
	b = appendIndented(b, "blobSum", layers, func(l schema1Layer) string { return l.digest.String() })
	b = append(b, "\n}"...)
	return &store.Manifest{Repository: m.Repository, Digest: digest.FromBytes(b), MediaType: schema1Type, Content: string(b)}, nil
}

// appendIndented appends a list of objects of one member, indented as by Python.
func appendIndented(b []byte, key string, layers []schema1Layer, value func(schema1Layer) string) []byte {
	if len(layers) == 0 {
		return append(b, "[]"...)
	}
	b = append(b, '[')
	for i, l := range layers {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(append(b, "\n      {\n         \""+key+"\": "...), value(l))
		b = append(b, "\n      }"...)
	}
	return append(b, "\n   ]"...)
}

// A schema1Layer is a layer's digest and its entry in the history of schema 1.
type schema1Layer struct {
	digest        digest.Digest
	compatibility string
}

// schema1Layers returns the layers from the base up. The top layer has the
// configuration without history and root file system; the others have their ids and
// the steps that made them.
func schema1Layers(of store.Image, config []member) ([]schema1Layer, error) {
	steps, err := schema1Steps(of, config)
	if err != nil {
		return nil, err
	}
	var layers []schema1Layer
	chain := sha256.New()
	parent := ""
	for i, s := range steps {
		id := s.chain(chain, i)
		var v []member
		if i == len(steps)-1 {
			v = slices.Clone(config)
		}
		v = set(v, "id", quoted(id))
		if parent != "" {
			v = set(v, "parent", quoted(parent))
		}
		for _, key := range []string{"created", "author", "comment"} {
			if text := lookup(s.history, key); len(text) > 0 && string(text) != `""` && string(text) != "null" && lookup(v, key) == nil {
				v = append(v, member{key, text})
			}
		}
		if s.history != nil {
			if s.empty && lookup(v, "throwaway") == nil {
				v = append(v, member{"throwaway", json.RawMessage("true")})
			}
			if lookup(v, "container_config") == nil {
				command := lookup(s.history, "created_by")
				if command == nil {
					command = json.RawMessage("null")
				}
				v = append(v, member{"container_config", json.RawMessage(`{"Cmd":[` + string(command) + `]}`)})
			}
		}
		v = set(v, "Size", json.RawMessage(fmt.Sprint(s.layer.Size)))
		v = slices.DeleteFunc(v, func(m member) bool { return m.key == "history" || m.key == "rootfs" })
		layers = append(layers, schema1Layer{s.layer.Digest, string(appendMembers(nil, v))})
		parent = id
	}
	return layers, nil
}

// A schema1Step is a step of an image's history with its layer.
type schema1Step struct {
	layer   store.Layer
	history []member // nil: unknown
	raw     []byte   // the step as Python writes it; nil if the configuration has no history
	empty   bool
}

// chain adds the step to the sum of which ids are made, and returns its id.
func (s schema1Step) chain(sum hash.Hash, i int) string {
	if s.raw != nil {
		fmt.Fprintf(sum, "%s|%d|", s.raw, i)
	}
	fmt.Fprintf(sum, "%s||", s.layer.Digest)
	return hex.EncodeToString(sum.Sum(nil))
}

// schema1Steps returns the steps of the history with their layers. Without a history
// each layer is a step, and only the last step is known.
func schema1Steps(of store.Image, config []member) ([]schema1Step, error) {
	var history []json.RawMessage
	if text := lookup(config, "history"); text != nil && json.Unmarshal(text, &history) != nil {
		return nil, errors.New("config data does not match schema")
	}
	var steps []schema1Step
	if len(history) == 0 {
		for _, l := range of.Layers {
			steps = append(steps, schema1Step{layer: l})
		}
		if len(steps) > 0 {
			known := []member{}
			for _, key := range []string{"created", "author"} {
				if text := lookup(config, key); text != nil {
					known = append(known, member{key, text})
				}
			}
			if inner, err := members(lookup(config, "config")); err == nil {
				known = append(known, member{"created_by", lookup(inner, "Cmd")})
			}
			steps[len(steps)-1].history = known
		}
		return steps, nil
	}
	if len(history) < len(of.Layers) {
		return nil, invalidf("Found less history (%d) than layer blobs (%d)", len(history), len(of.Layers))
	}
	rest := of.Layers
	for _, text := range history {
		entry, err := members(text)
		if err != nil {
			return nil, errors.New("config data does not match schema")
		}
		s := schema1Step{history: entry, raw: appendPython(nil, text), empty: string(lookup(entry, "empty_layer")) == "true"}
		switch {
		case s.empty:
			s.layer = store.Layer{Digest: store.EmptyLayer, Size: 32}
		case len(rest) == 0:
			return nil, invalidf("Missing history entry #%d", len(of.Layers))
		default:
			s.layer, rest = rest[0], rest[1:]
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// A member is a member of an object. A slice of them keeps the order of the text.
type member struct {
	key   string
	value json.RawMessage
}

// members parses an object.
func members(text []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.Join(err, errors.New("want an object"))
	}
	all := []member{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		name, _ := key.(string)
		all = set(all, name, value)
	}
	_, err := d.Token()
	return all, err
}

// lookup returns a member's value, or nil.
func lookup(of []member, key string) json.RawMessage {
	for _, m := range of {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// set replaces a member's value, or appends the member.
func set(of []member, key string, value json.RawMessage) []member {
	for i := range of {
		if of[i].key == key {
			of[i].value = value
			return of
		}
	}
	return append(of, member{key, value})
}

func quoted(text string) json.RawMessage { return wire.AppendString(nil, text) }

// appendMembers appends an object as Python writes it.
func appendMembers(b []byte, of []member) []byte {
	b = append(b, '{')
	for i, m := range of {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendPython(append(wire.AppendString(b, m.key), ": "...), m.value)
	}
	return append(b, '}')
}

// appendPython appends a JSON text as Python writes it: with a blank after each comma
// and colon, in plain ASCII.
func appendPython(b []byte, text json.RawMessage) []byte {
	text = bytes.TrimSpace(text)
	var list []json.RawMessage
	var s string
	switch {
	case len(text) == 0:
		return append(b, "null"...)
	case text[0] == '{':
		if of, err := members(text); err == nil {
			return appendMembers(b, of)
		}
	case text[0] == '[' && json.Unmarshal(text, &list) == nil:
		b = append(b, '[')
		for i, value := range list {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendPython(b, value)
		}
		return append(b, ']')
	case text[0] == '"' && json.Unmarshal(text, &s) == nil:
		return wire.AppendString(b, s)
	}
	return append(b, text...)
}

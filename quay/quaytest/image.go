// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// An imageConfig is an image's configuration blob, as far as the REST API
// shows it. Nil is none, or one that cannot be read.
type imageConfig struct {
	Config struct {
		Labels json.RawMessage `json:"Labels"`
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
}

// A wireLayer is a layer in a manifest.
type wireLayer struct {
	Digest string   `json:"digest"`
	Size   int64    `json:"size"`
	URLs   []string `json:"urls"`
}

// manifestAndConfig gives the manifest that a call asks for and its image
// configuration, nil when there is none to be had. It gives no manifest when
// it has answered the call.
func (h *Handler) manifestAndConfig(q call) (*Manifest, *imageConfig) {
	repo := h.authorize(q)
	if repo == nil {
		return nil, nil
	}
	name := repo.Namespace + "/" + repo.Name
	m := h.st.manifest(name, q.route.digest)
	if m == nil {
		sendProblem(q.w, q.r, problemNotFound)
		return nil, nil
	}
	var image struct {
		Config struct {
			Digest string `json:"digest"`
		} `json:"config"`
	}
	if json.Unmarshal([]byte(m.Content), &image) != nil || !h.st.hasBlob(name, image.Config.Digest) {
		return m, nil
	}
	blob := h.stored(image.Config.Digest)
	var c imageConfig
	if blob == nil || blob.bytes == nil || json.Unmarshal(blob.bytes(), &c) != nil {
		return m, nil
	}
	return m, &c
}

// steps gives the steps of the history that made a layer.
func (c *imageConfig) steps() []imageStep {
	var steps []imageStep
	for _, s := range c.History {
		if !s.EmptyLayer {
			steps = append(steps, s)
		}
	}
	return steps
}

// A label is one of an image's.
type label struct{ key, value string }

// labels gives the labels in the order of the configuration's text.
func (c *imageConfig) labels() []label {
	if c == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(c.Config.Labels))
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
func appendLayer(b []byte, index int, l wireLayer, step imageStep) []byte {
	b = appendNumber(append(b, `{"index": `...), int64(index), `, "compressed_size": `)
	b = appendNumber(b, l.Size, `, "is_remote": `)
	b = appendBool(b, len(l.URLs) > 0)
	urls := "null"
	if len(l.URLs) > 0 {
		text, _ := json.Marshal(l.URLs) // texts always have a JSON form
		urls = string(text)
	}
	b = append(append(b, `, "urls": `...), urls...)
	if step.CreatedBy == "" {
		b = append(b, `, "command": null`...)
	} else {
		b = append(appendText(append(b, `, "command": [`...), step.CreatedBy), ']')
	}
	b = appendTextOrNull(append(b, `, "comment": `...), step.Comment)
	b = appendTextOrNull(append(b, `, "author": `...), step.Author)
	b = appendText(append(b, `, "blob_digest": `...), l.Digest)
	b = append(b, `, "created_datetime": `...)
	if step.Created.IsZero() {
		return append(b, "null}"...)
	}
	return append(appendTime(b, step.Created.Unix()), '}')
}

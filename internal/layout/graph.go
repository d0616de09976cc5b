// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// A graph is what manifests of a layout lead to. Each is read once, when it is
// come by first. For one goroutine.
type graph struct {
	folder
	nodes map[key]*node
}

// key is how a blob was come by: one content can be read as two types.
type key struct {
	digest    digest.Digest
	mediaType string
	role      role
}

// link is a descriptor in the index or in a manifest.
type link struct {
	ocispec.Descriptor
	role     role
	optional bool // a layer that registries do not give out
}

// role is what something is to what lists it.
type role int

const (
	root  role = iota // an entry of the layout's index
	child             // a manifest of an index
	part              // a configuration or a layer, which leads nowhere whatever its type
)

// node is what a blob leads to.
type node struct {
	links []link
	err   error // why that is not known; ErrMissing, ErrCorrupt, manifest.ErrUnsupported or another
}

func newGraph(f folder) *graph { return &graph{folder: f, nodes: map[key]*node{}} }

// walk visits what a descriptor of the layout's index leads to, itself first, each once. An error of visit ends it.
// It is a loop and reads each manifest once, so that no content makes it endless.
func (g *graph) walk(ctx context.Context, from ocispec.Descriptor, visit func(link, *node) error) error {
	seen := map[key]bool{}
	for todo := []link{{Descriptor: from, role: root}}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		k := key{at.Digest, at.MediaType, at.role}
		if seen[k] {
			continue
		}
		seen[k] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		n := g.node(at)
		if err := visit(at, n); err != nil {
			return err
		}
		todo = append(todo, n.links...)
	}
	return nil
}

// node returns what a link leads to. Only content that fits the digest is followed.
func (g *graph) node(at link) *node {
	if at.role == part || !manifest.IsManifest(at.MediaType) && !obscure(at.MediaType) {
		return &node{}
	}
	k := key{digest: at.Digest, mediaType: at.MediaType}
	n, known := g.nodes[k]
	if !known {
		links, err := g.links(at.Descriptor)
		n = &node{links: links, err: err}
		g.nodes[k] = n
	}
	return n
}

func (g *graph) links(d ocispec.Descriptor) ([]link, error) {
	if obscure(d.MediaType) {
		return nil, fmt.Errorf("%w: media type %.100q", manifest.ErrUnsupported, d.MediaType)
	}
	content, err := g.read(d.Digest)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(d.MediaType, content)
	if err != nil {
		return nil, err
	}
	var links []link
	if m.Config != nil {
		links = append(links, link{Descriptor: *m.Config, role: part})
	}
	for _, d := range m.Layers {
		links = append(links, link{Descriptor: d, role: part, optional: !manifest.Distributable(d.MediaType)})
	}
	for _, d := range m.Children {
		links = append(links, link{Descriptor: d, role: child})
	}
	return links, nil
}

// obscure tells whether a media type is of something that leads on to blobs in a way
// that nobody here knows, such as Docker's schema 1.
func obscure(mediaType string) bool {
	return mediaType == "" || strings.Contains(mediaType, "manifest") && !manifest.IsManifest(mediaType)
}

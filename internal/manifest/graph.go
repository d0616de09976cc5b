// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Role is the role of a descriptor in the manifest that lists it. It decides whether
// the content is read as a manifest: a layer is a blob, whatever its media type.
type Role int

// The roles.
const (
	Root  Role = iota // where a walk starts
	Child             // listed by an index
	Blob              // a configuration or a layer, which lists nothing
)

// A Link is a descriptor, as the manifest lists it, and its role.
type Link struct {
	ocispec.Descriptor
	Role Role
	// External is set for a layer that registries do not distribute.
	External bool
}

// A Node is a link that a walk has reached.
type Node struct {
	Link
	Depth    int      // number of indexes above it
	Manifest Manifest // zero for a blob; undefined if Err is set
	Read     int64    // actual size of the manifest, in bytes. The listed Size may be wrong
	Content  []byte   // of the manifest; nil for a blob, and if the graph had read it before
	Err      error    // why the manifest cannot be read: an error of the Source or of Parse
	Next     []Link   // links of the manifest, in order. enter may remove links that the walk should not follow
}

// A Source returns the content of a manifest, and its descriptor with the media
// type and the size that apply. It checks the content against the digest.
type Source func(ctx context.Context, d ocispec.Descriptor) (ocispec.Descriptor, []byte, error)

// A Graph walks from manifests to the manifests and blobs that they list. It reads each
// manifest once, however many walks reach it. Not safe for concurrent use.
type Graph struct {
	source Source
	read   map[readKey]parsed
}

// A readKey identifies content and the way to parse it.
type readKey struct {
	digest    digest.Digest
	mediaType string
}

// A nodeKey identifies a node. One digest may be listed as several types, with
// several sizes, and both as a manifest and as a blob.
type nodeKey struct {
	digest    digest.Digest
	mediaType string
	size      int64
	role      Role
}

// parsed is the result of reading a manifest.
type parsed struct {
	ocispec.Descriptor
	listed   int64 // the size that was passed to the Source
	manifest Manifest
	err      error
}

// NewGraph returns a graph that reads manifests from source.
func NewGraph(source Source) *Graph { return &Graph{source, map[readKey]parsed{}} }

// Walk calls enter once for root and for each node below it, a manifest before the nodes
// that it lists. If leave is not nil, Walk calls leave for a node after all nodes below
// it. An error of enter or leave ends the walk, and so does the context.
//
// Every walk ends: digests rule out cycles, and each node is entered once. The walk does
// not recurse, so that a deep graph cannot exhaust the stack.
func (g *Graph) Walk(ctx context.Context, root ocispec.Descriptor, enter, leave func(*Node) error) error {
	type step struct {
		*Node
		entered bool
	}
	seen := map[nodeKey]bool{}
	for steps := []step{{Node: &Node{Link: Link{Descriptor: root}}}}; len(steps) > 0; {
		n := steps[len(steps)-1]
		steps = steps[:len(steps)-1]
		if n.entered {
			if err := leave(n.Node); err != nil {
				return err
			}
			continue
		}
		key := n.key()
		if seen[key] {
			continue
		}
		seen[key] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		g.load(ctx, n.Node)
		if err := enter(n.Node); err != nil {
			return err
		}
		if leave != nil {
			steps = append(steps, step{n.Node, true})
		}
		for _, l := range slices.Backward(n.Next) {
			steps = append(steps, step{Node: &Node{Link: l, Depth: n.Depth + 1}})
		}
	}
	return nil
}

func (l Link) key() nodeKey { return nodeKey{l.Digest, l.MediaType, l.Size, l.Role} }

// load reads the manifest of a node.
func (g *Graph) load(ctx context.Context, n *Node) {
	if n.Role == Blob || n.MediaType != "" && !IsManifest(n.MediaType) && !unknownManifest(n.MediaType) {
		return
	}
	key := readKey{n.Digest, n.MediaType}
	p, known := g.read[key]
	if !known || p.err != nil && p.listed != n.Size { // the size may have been the error
		p, n.Content = g.parse(ctx, n.Descriptor)
		if ctx.Err() == nil {
			g.read[key] = p
		}
	}
	if n.MediaType == "" {
		n.MediaType, n.Size = p.MediaType, p.Size
	}
	n.Manifest, n.Read, n.Err = p.manifest, p.Size, p.err
	if n.Err == nil {
		n.Next = p.manifest.links()
	}
}

func (g *Graph) parse(ctx context.Context, listed ocispec.Descriptor) (parsed, []byte) {
	p := parsed{Descriptor: listed, listed: listed.Size}
	if unknownManifest(p.MediaType) {
		p.err = fmt.Errorf("%w: media type %.100q", ErrUnsupported, p.MediaType)
		return p, nil
	}
	d, content, err := g.source(ctx, listed)
	if err != nil {
		p.err = err
		return p, nil
	}
	p.Descriptor, p.Size = d, int64(len(content))
	p.manifest, p.err = Parse(d.MediaType, content)
	return p, content
}

// unknownManifest reports whether content of a media type lists blobs in a form that
// this package cannot parse, such as Docker's schema 1.
func unknownManifest(mediaType string) bool {
	return strings.Contains(mediaType, "manifest") && !IsManifest(mediaType)
}

// links returns the links of a manifest, in order.
func (m Manifest) links() []Link {
	var links []Link
	if m.Config != nil {
		links = append(links, Link{Descriptor: *m.Config, Role: Blob})
	}
	for _, d := range m.Layers {
		links = append(links, Link{Descriptor: d, Role: Blob, External: !Distributable(d.MediaType)})
	}
	for _, d := range m.Children {
		links = append(links, Link{Descriptor: d, Role: Child})
	}
	return links
}

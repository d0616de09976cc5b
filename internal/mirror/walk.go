// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// Limits of one image.
const (
	maxDepth     = 3       // indexes in indexes
	maxManifests = 1000    // of one image
	maxBlob      = 1 << 40 // bytes
	maxImage     = 1 << 50 // bytes of all blobs of one image
)

// A tree has the manifests and blobs of an image or an attachment.
type tree struct {
	root      ocispec.Descriptor   // at the destination
	manifests []ocispec.Descriptor // children before their index; the root is the last
	blobs     []ocispec.Descriptor // unique
	platforms []ocispec.Platform   // as the indexes list them
	sparse    bool                 // an index lists images that are left out
	size      int64                // of all manifests and blobs, in bytes
}

// staged returns the tree of an image in the form that a destination expects.
func (t tree) staged(i Image) destination.Staged {
	return destination.Staged{Image: i, Root: t.root, Manifests: t.manifests, Blobs: t.blobs, Sparse: t.sparse}
}

// A walker reads the tree of an image from a repository. For one goroutine, and one
// walk.
type walker struct {
	cache            manifestCache
	from             *source
	platforms        Platforms
	skipAttestations bool // of those that an index lists
	// visit is called for each manifest; fetched reports whether it came from the
	// repository just now. May be nil.
	visit func(n *manifest.Node, fetched bool)

	tree    tree
	fetched bool                                 // the manifest that is entered next
	entered map[digest.Digest]*manifest.Node     // the first node of each manifest
	kept    map[digest.Digest]ocispec.Descriptor // manifests as they are at the destination
	sizes   map[digest.Digest]int64              // as the manifests say
	blobs   map[digest.Digest]bool               // in the tree
}

// ErrAbsent is the error for an image that its registry does not have (use errors.Is).
var ErrAbsent = errors.New("no such image")

// ErrNotChosen is the error for an image that has none of the chosen platforms (use
// errors.Is).
var ErrNotChosen = errors.New("not available for the chosen platforms")

// walk reads the tree below a digest. After an error it returns the part read so far.
func (w *walker) walk(ctx context.Context, root digest.Digest) (tree, error) {
	w.entered, w.kept = map[digest.Digest]*manifest.Node{}, map[digest.Digest]ocispec.Descriptor{}
	w.sizes, w.blobs = map[digest.Digest]int64{}, map[digest.Digest]bool{}
	w.tree.root = ocispec.Descriptor{Digest: root}
	graph := manifest.NewGraph(func(ctx context.Context, d ocispec.Descriptor) (_ ocispec.Descriptor, content []byte, err error) {
		d, content, w.fetched, err = w.cache.manifest(ctx, w.from, d)
		return d, content, err
	})
	err := graph.Walk(ctx, w.tree.root, func(n *manifest.Node) error { return w.enter(ctx, n) },
		func(n *manifest.Node) error { return w.leave(ctx, n) })
	if d, ok := w.kept[root]; ok {
		w.tree.root = d
	}
	return w.tree, err
}

// enter checks a manifest, chooses what is followed, and adds the blobs of an image
// to the tree.
func (w *walker) enter(ctx context.Context, n *manifest.Node) error {
	if w.entered[n.Digest] != nil { // listed as another media type, too
		n.Next = nil
		return nil
	}
	if len(w.entered) == maxManifests {
		return fmt.Errorf("image has more than %d manifests", maxManifests)
	}
	w.entered[n.Digest] = n
	switch {
	case n.Err != nil && n.Content != nil:
		return fmt.Errorf("%s: %w", n.Digest, n.Err)
	case n.Err != nil && n.Depth == 0 && errors.Is(n.Err, registry.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrAbsent, n.Err)
	case n.Err != nil:
		return n.Err
	}
	if err := w.checkSize(n.Descriptor); err != nil {
		return err
	}
	if w.visit != nil {
		w.visit(n, w.fetched)
	}
	if n.Depth == 0 && len(w.platforms.Only) > 0 && !n.Manifest.IsIndex() {
		if err := w.checkPlatform(ctx, n.Manifest); err != nil {
			return err
		}
	}
	follow := w.addBlobs
	if n.Manifest.IsIndex() {
		follow = w.enterIndex
	}
	if err := follow(n); err != nil {
		return fmt.Errorf("%s: %w", n.Digest, err)
	}
	return nil
}

// enterIndex follows the entries of an index that were chosen.
func (w *walker) enterIndex(n *manifest.Node) error {
	if n.Depth == maxDepth {
		return fmt.Errorf("indexes are nested deeper than %d", maxDepth)
	}
	var next []manifest.Link
	for i, chosen := range w.choose(n.Manifest.Children) {
		if !chosen {
			continue
		}
		child := n.Manifest.Children[i]
		if !manifest.IsManifest(child.MediaType) {
			return fmt.Errorf("lists %s of media type %q, which is not an image", child.Digest, child.MediaType)
		}
		if err := w.checkSize(child); err != nil {
			return err
		}
		if manifest.Runs(child.Platform) && !manifest.IsIndex(child.MediaType) {
			w.tree.platforms = append(w.tree.platforms, *child.Platform)
		}
		next = append(next, n.Next[i])
	}
	n.Next = next
	return nil
}

// addBlobs checks the sizes of an image's blobs and adds the blobs to the tree. The walk
// does not follow them.
func (w *walker) addBlobs(n *manifest.Node) error {
	for _, l := range n.Next {
		if err := w.checkSize(l.Descriptor); err != nil {
			return err
		}
	}
	n.Next = nil
	for _, d := range n.Manifest.Blobs() {
		if w.blobs[d.Digest] {
			continue
		}
		if d.Size > maxBlob {
			return fmt.Errorf("blob %s is listed with %d bytes; the limit is %d", d.Digest, d.Size, int64(maxBlob))
		}
		if d.Size > maxImage-w.tree.size {
			return fmt.Errorf("image exceeds the limit of %d bytes", int64(maxImage))
		}
		w.blobs[d.Digest] = true
		w.tree.blobs = append(w.tree.blobs, ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		w.tree.size += d.Size
	}
	return nil
}

// leave adds a manifest to the tree, after the manifests and blobs that it lists.
func (w *walker) leave(ctx context.Context, n *manifest.Node) error {
	if w.entered[n.Digest] != n {
		return nil
	}
	d, err := n.Descriptor, error(nil)
	if n.Manifest.IsIndex() {
		d, err = w.chosenIndex(ctx, n)
	}
	if errors.Is(err, ErrNotChosen) && n.Depth > 0 {
		return nil // the index that lists this one leaves it out
	}
	if err != nil {
		return err
	}
	w.kept[n.Digest] = d
	w.tree.manifests = append(w.tree.manifests, d)
	w.tree.size += d.Size
	return nil
}

// chosenIndex returns the descriptor of an index at the destination. The descriptor
// changes if the index is rewritten.
func (w *walker) chosenIndex(ctx context.Context, n *manifest.Node) (ocispec.Descriptor, error) {
	all := n.Manifest.Children
	children := make([]*ocispec.Descriptor, len(all)) // nil: left out
	kept, changed := 0, false
	for i, chosen := range w.choose(all) {
		if d, ok := w.kept[all[i].Digest]; ok && chosen {
			children[i] = &d
			kept++
			changed = changed || d.Digest != all[i].Digest
		}
	}
	switch {
	case kept == 0 && (len(all) > 0 || len(w.platforms.Only) > 0):
		return n.Descriptor, w.notChosen(all)
	case kept == len(all) && !changed:
	case w.platforms.Index == RewrittenIndex:
		return w.rewrite(ctx, n.Descriptor, n.Content, children)
	default:
		w.tree.sparse = true
	}
	return n.Descriptor, nil
}

// checkSize returns an error for a digest that is listed with two sizes.
func (w *walker) checkSize(d ocispec.Descriptor) error {
	if before, known := w.sizes[d.Digest]; known && before != d.Size {
		return fmt.Errorf("%s is listed with %d bytes and with %d bytes", d.Digest, before, d.Size)
	}
	w.sizes[d.Digest] = d.Size
	return nil
}

// checkPlatform returns an error for an image without an index that is not of a chosen
// platform. The configuration names its platform.
func (w *walker) checkPlatform(ctx context.Context, m manifest.Manifest) error {
	c, err := w.cache.parsedConfig(ctx, w.from, *m.Config)
	if err != nil {
		return err
	}
	w.tree.platforms = append(w.tree.platforms, c.Platform)
	if !w.platforms.include(c.Platform) {
		return fmt.Errorf("%w: the image is for %s only", ErrNotChosen, manifest.PlatformString(c.Platform))
	}
	return nil
}

// parsedConfig returns a configuration. Any media type is allowed.
func (s manifestCache) parsedConfig(ctx context.Context, from *source, d ocispec.Descriptor) (config, error) {
	content, err := s.config(ctx, from, d)
	if err != nil {
		return config{}, fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	c, err := parseConfig(d.MediaType, content)
	if err != nil {
		return config{}, fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	return c, nil
}

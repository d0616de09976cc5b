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

// A tree is what an image, or an attachment, consists of.
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
	cache    manifestCache
	from     *source
	platform Platforms
	bare     bool                                        // leave out the attestations that an index lists
	manifest func(d ocispec.Descriptor, fetched bool)    // called for each manifest; may be nil
	blob     func(d ocispec.Descriptor)                  // called for each blob once it is known; may be nil
	image    func(ocispec.Descriptor, manifest.Manifest) // called for each manifest that is not an index; may be nil

	manifests map[digest.Digest]manifest.Manifest // records all of them; may be nil

	tree    tree
	sizes   map[digest.Digest]int64              // as the manifests say
	blobs   map[digest.Digest]bool               // in the tree
	entered map[digest.Digest]bool               // manifests
	kept    map[digest.Digest]ocispec.Descriptor // manifests as they are at the destination
	read    map[digest.Digest]readManifest       // manifests that were entered and not left
}

// A readManifest is the content of a manifest and whether it was fetched.
type readManifest struct {
	content []byte
	fetched bool
}

// ErrAbsent is met by the error for an image that its registry does not have.
var ErrAbsent = errors.New("no such image")

// ErrNotChosen is met by the error for an image that has none of the chosen
// platforms.
var ErrNotChosen = errors.New("not available for the chosen platforms")

// walk reads the tree below a digest. If it fails, the tree is what was read so far.
func (w *walker) walk(ctx context.Context, root digest.Digest) (tree, error) {
	w.sizes, w.blobs, w.entered = map[digest.Digest]int64{}, map[digest.Digest]bool{}, map[digest.Digest]bool{}
	w.kept, w.read = map[digest.Digest]ocispec.Descriptor{}, map[digest.Digest]readManifest{}
	w.tree.root = ocispec.Descriptor{Digest: root}
	graph := manifest.NewGraph(func(ctx context.Context, d ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
		d, content, fetched, err := w.cache.manifest(ctx, w.from, d)
		if err == nil {
			w.read[d.Digest] = readManifest{content, fetched}
		}
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
	if w.entered[n.Digest] { // listed as another media type, too
		n.Next = nil
		delete(w.read, n.Digest)
		return nil
	}
	if len(w.entered) == maxManifests {
		return fmt.Errorf("image has more than %d manifests", maxManifests)
	}
	w.entered[n.Digest] = true
	read, found := w.read[n.Digest]
	switch {
	case n.Err != nil && found:
		return fmt.Errorf("%s: %w", n.Digest, n.Err)
	case n.Err != nil && n.Depth == 0 && errors.Is(n.Err, registry.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrAbsent, n.Err)
	case n.Err != nil:
		return n.Err
	}
	if err := w.oneSize(n.Descriptor); err != nil {
		return err
	}
	if w.manifest != nil {
		w.manifest(n.Descriptor, read.fetched)
	}
	if w.manifests != nil {
		w.manifests[n.Digest] = n.Manifest
	}
	if n.Manifest.IsIndex() {
		return w.enterIndex(n)
	}
	if n.Depth == 0 && len(w.platform.Only) > 0 {
		if err := w.single(ctx, n.Manifest); err != nil {
			return err
		}
	}
	if w.image != nil {
		w.image(n.Descriptor, n.Manifest)
	}
	if err := w.addBlobs(n); err != nil {
		return fmt.Errorf("%s: %w", n.Digest, err)
	}
	return nil
}

// enterIndex follows what an index lists and was chosen.
func (w *walker) enterIndex(n *manifest.Node) error {
	if n.Depth == maxDepth {
		return fmt.Errorf("%s: indexes are nested deeper than %d", n.Digest, maxDepth)
	}
	var next []manifest.Link
	for i, chosen := range w.choose(n.Manifest.Children) {
		if !chosen {
			continue
		}
		child := n.Manifest.Children[i]
		if !manifest.IsManifest(child.MediaType) {
			return fmt.Errorf("%s: lists %s of media type %q, which is not an image", n.Digest, child.Digest, child.MediaType)
		}
		if err := w.oneSize(child); err != nil {
			return fmt.Errorf("%s: %w", n.Digest, err)
		}
		if manifest.Runs(child.Platform) && !manifest.IsIndex(child.MediaType) {
			w.tree.platforms = append(w.tree.platforms, *child.Platform)
		}
		next = append(next, n.Next[i])
	}
	n.Next = next
	return nil
}

// addBlobs adds the blobs of an image to the tree, after a look at all of their
// sizes. The walk does not have to follow them.
func (w *walker) addBlobs(n *manifest.Node) error {
	for _, l := range n.Next {
		if err := w.oneSize(l.Descriptor); err != nil {
			return err
		}
	}
	n.Next = nil
	for _, d := range n.Manifest.Blobs() {
		if err := w.add(d); err != nil {
			return err
		}
	}
	return nil
}

// leave adds a manifest to the tree, after all that it lists. An index of which
// images are left out is rewritten if that was chosen.
func (w *walker) leave(ctx context.Context, n *manifest.Node) error {
	read, open := w.read[n.Digest]
	if !open {
		return nil // enter has dropped it
	}
	delete(w.read, n.Digest)
	d, err := n.Descriptor, error(nil)
	if n.Manifest.IsIndex() {
		d, err = w.chosenIndex(ctx, n, read.content)
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

// chosenIndex returns the descriptor of an index at the destination, which is
// another one if the index is rewritten.
func (w *walker) chosenIndex(ctx context.Context, n *manifest.Node, content []byte) (ocispec.Descriptor, error) {
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
	case kept == 0 && (len(all) > 0 || len(w.platform.Only) > 0):
		return n.Descriptor, w.noneOf(all)
	case kept == len(all) && !changed:
	case w.platform.Index == RewrittenIndex:
		return w.rewrite(ctx, n.Descriptor, content, children)
	default:
		w.tree.sparse = true
	}
	return n.Descriptor, nil
}

// oneSize refuses a digest that has two sizes: one of them is wrong.
func (w *walker) oneSize(d ocispec.Descriptor) error {
	if before, known := w.sizes[d.Digest]; known && before != d.Size {
		return fmt.Errorf("%s is said to have %d bytes and %d bytes", d.Digest, before, d.Size)
	}
	w.sizes[d.Digest] = d.Size
	return nil
}

// add adds a blob to the tree.
func (w *walker) add(d ocispec.Descriptor) error {
	if w.blobs[d.Digest] {
		return nil
	}
	if d.Size > maxBlob {
		return fmt.Errorf("blob %s is said to have %d bytes, and %d is the limit", d.Digest, d.Size, int64(maxBlob))
	}
	if d.Size > maxImage-w.tree.size {
		return fmt.Errorf("image is said to have more than %d bytes, which is the limit", int64(maxImage))
	}
	w.blobs[d.Digest] = true
	d = ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	w.tree.blobs = append(w.tree.blobs, d)
	w.tree.size += d.Size
	if w.blob != nil {
		w.blob(d)
	}
	return nil
}

// single refuses an image that is no index and not of a platform that was
// chosen. Only its configuration tells.
func (w *walker) single(ctx context.Context, m manifest.Manifest) error {
	content, err := w.cache.config(ctx, w.from, *m.Config)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", m.Config.Digest, err)
	}
	c, err := parseConfig(m.Config.MediaType, content)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", m.Config.Digest, err)
	}
	w.tree.platforms = append(w.tree.platforms, c.Platform)
	if !w.platform.fits(c.Platform) {
		return fmt.Errorf("%w: the image is for %s only", ErrNotChosen, manifest.PlatformString(c.Platform))
	}
	return nil
}

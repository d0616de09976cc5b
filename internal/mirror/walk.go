// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// Bounds on what one image can make us do. Digests rule cycles out; these rule
// out the rest.
const (
	maxDepth     = 3       // indexes in indexes
	maxManifests = 1000    // of one image
	maxBlob      = 1 << 40 // bytes
	maxImage     = 1 << 50 // bytes of all blobs of one image
)

// A tree is what an image, or an attachment, is made of.
type tree struct {
	root      ocispec.Descriptor   // at the destination
	manifests []ocispec.Descriptor // children before their index; the root is the last
	blobs     []ocispec.Descriptor // unique
	platforms []ocispec.Platform   // that its indexes tell
	sparse    bool                 // some of what an index lists is left out
	size      int64                // of all of these, in bytes
}

// staged is the tree of an image as its destination gets it.
func (t tree) staged(i Image) Staged {
	return Staged{Image: i, Root: t.root, Manifests: t.manifests, Blobs: t.blobs, Sparse: t.sparse}
}

// A walker reads a tree from a repository, manifest by manifest. For one
// goroutine.
type walker struct {
	cache    manifestCache
	from     *source
	platform Platforms
	bare     bool                                        // leaves out the attestations that an index lists
	manifest func(d ocispec.Descriptor, fetched bool)    // told of each manifest; may be nil
	blob     func(d ocispec.Descriptor)                  // told of each blob, as soon as it is known; may be nil
	image    func(ocispec.Descriptor, manifest.Manifest) // told of each manifest that is no index; may be nil

	seen  map[digest.Digest]visited // manifests
	blobs map[digest.Digest]bool
	sizes map[digest.Digest]int64 // as the manifests say
	tree  tree
}

// visited is what came of a manifest.
type visited struct {
	desc ocispec.Descriptor
	err  error
}

// ErrAbsent is met by the error for an image that its registry does not have.
var ErrAbsent = errors.New("no such image")

// ErrNotChosen is met by the error for what has none of the platforms that
// were chosen.
var ErrNotChosen = errors.New("not available for the chosen platforms")

// walk reads the tree below a digest.
func (w *walker) walk(ctx context.Context, root digest.Digest) (tree, error) {
	w.seen, w.blobs, w.sizes = map[digest.Digest]visited{}, map[digest.Digest]bool{}, map[digest.Digest]int64{}
	desc, err := w.visit(ctx, ocispec.Descriptor{Digest: root}, 0)
	w.tree.root = desc
	return w.tree, err
}

// visit reads a manifest and all below it, once. It returns its descriptor, which
// is another one when an index had to be rewritten. want has a digest at least.
func (w *walker) visit(ctx context.Context, want ocispec.Descriptor, depth int) (ocispec.Descriptor, error) {
	if before, ok := w.seen[want.Digest]; ok {
		return before.desc, before.err
	}
	if len(w.seen) == maxManifests {
		return want, fmt.Errorf("image has more than %d manifests", maxManifests)
	}
	w.seen[want.Digest] = visited{desc: want}
	desc, err := w.read(ctx, want, depth)
	w.seen[want.Digest] = visited{desc, err}
	return desc, err
}

// read does so for the first time.
func (w *walker) read(ctx context.Context, want ocispec.Descriptor, depth int) (ocispec.Descriptor, error) {
	desc, content, fetched, err := w.cache.manifest(ctx, w.from, want)
	if errors.Is(err, registry.ErrNotFound) && depth == 0 {
		return want, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if err != nil {
		return want, err
	}
	if err := w.oneSize(desc); err != nil {
		return want, err
	}
	if w.manifest != nil {
		w.manifest(desc, fetched)
	}
	m, err := manifest.Parse(desc.MediaType, content)
	if err != nil {
		return want, fmt.Errorf("%s: %w", desc.Digest, err)
	}
	if m.IsIndex() {
		return w.index(ctx, desc, content, m, depth)
	}
	if depth == 0 && len(w.platform.Only) > 0 {
		if err := w.single(ctx, m); err != nil {
			return want, err
		}
	}
	if w.image != nil {
		w.image(desc, m)
	}
	for _, d := range append([]ocispec.Descriptor{*m.Config}, m.Layers...) {
		if err := w.oneSize(d); err != nil {
			return want, fmt.Errorf("%s: %w", desc.Digest, err)
		}
	}
	for _, b := range m.Blobs() {
		if err := w.add(b); err != nil {
			return want, fmt.Errorf("%s: %w", desc.Digest, err)
		}
	}
	w.keep(desc)
	return desc, nil
}

// keep enters a manifest into the tree.
func (w *walker) keep(d ocispec.Descriptor) {
	w.tree.manifests = append(w.tree.manifests, d)
	w.tree.size += d.Size
}

// oneSize refuses a digest that is said to have two sizes: one of them is wrong.
func (w *walker) oneSize(d ocispec.Descriptor) error {
	if before, known := w.sizes[d.Digest]; known && before != d.Size {
		return fmt.Errorf("%s is said to have %d bytes and %d bytes", d.Digest, before, d.Size)
	}
	w.sizes[d.Digest] = d.Size
	return nil
}

// add enters a blob into the tree.
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
		return fmt.Errorf("%w: the image is for %s only", ErrNotChosen, platformText(c.Platform))
	}
	return nil
}

// index reads what an index lists and was chosen.
func (w *walker) index(ctx context.Context, desc ocispec.Descriptor, content []byte, m manifest.Manifest, depth int) (ocispec.Descriptor, error) {
	if depth == maxDepth {
		return desc, fmt.Errorf("%s: indexes are nested deeper than %d", desc.Digest, maxDepth)
	}
	chosen := w.choose(m.Children)
	children := make([]*ocispec.Descriptor, len(m.Children)) // nil: left out
	kept, changed := 0, false
	for i, child := range m.Children {
		if !chosen[i] {
			continue
		}
		if !manifest.IsManifest(child.MediaType) {
			return desc, fmt.Errorf("%s: lists %s of media type %q, which is no image", desc.Digest, child.Digest, child.MediaType)
		}
		if err := w.oneSize(child); err != nil {
			return desc, fmt.Errorf("%s: %w", desc.Digest, err)
		}
		got, err := w.visit(ctx, child, depth+1)
		if errors.Is(err, ErrNotChosen) && manifest.IsIndex(child.MediaType) {
			continue
		}
		if err != nil {
			return desc, err
		}
		if describes(child.Platform) && !manifest.IsIndex(child.MediaType) {
			w.tree.platforms = append(w.tree.platforms, *child.Platform)
		}
		children[i] = &got
		kept++
		changed = changed || got.Digest != child.Digest
	}
	if kept == 0 && (len(m.Children) > 0 || len(w.platform.Only) > 0) {
		return desc, w.noneOf(m.Children)
	}
	switch {
	case kept == len(m.Children) && !changed:
	case w.platform.Index == RewrittenIndex:
		var err error
		if desc, err = w.rewrite(ctx, desc, content, children); err != nil {
			return desc, err
		}
	default:
		w.tree.sparse = true
	}
	w.keep(desc)
	return desc, nil
}

// noneOf says that an index has nothing for the platforms that were chosen.
func (w *walker) noneOf(children []ocispec.Descriptor) error {
	has := strings.Join(listed(children), ", ")
	if len(children) == 0 {
		has = "none, for it is an empty index"
	}
	if one := w.platform.DefaultPlatform; len(w.platform.Only) == 0 && describes(&one) {
		return fmt.Errorf("%w: it has %s, and not %s, the default here: %s", ErrNotChosen, has, platformText(one), oneImage(w.from.name, children))
	}
	return fmt.Errorf("%w: it has %s", ErrNotChosen, has)
}

// listed names the platforms that an index tells of its images.
func listed(children []ocispec.Descriptor) []string {
	names := []string{}
	for _, c := range children {
		switch {
		case describes(c.Platform):
			names = append(names, platformText(*c.Platform))
		case manifest.IsIndex(c.MediaType):
			names = append(names, "an index")
		case c.Platform == nil:
			names = append(names, "an image of no platform")
		}
	}
	return names
}

// maxAdvised is how many images of an index an error names by digest.
const maxAdvised = 6

// oneImage says how to choose one image of an index: by a platform that no other
// image has, or else by digest. repository is HOST/NAMESPACE/NAME.
func oneImage(repository string, children []ocispec.Descriptor) string {
	var platforms, digests []string
	for i, d := range children {
		alike := func(other ocispec.Descriptor) bool {
			return other.Digest != d.Digest && describes(other.Platform) && matches(*d.Platform, *other.Platform)
		}
		listed := slices.ContainsFunc(children[:i], func(other ocispec.Descriptor) bool { return other.Digest == d.Digest })
		switch {
		case listed || manifest.IsIndex(d.MediaType) || d.Annotations[attestationOf] != "" || d.Platform != nil && !describes(d.Platform):
		case d.Platform == nil:
			digests = append(digests, repository+"@"+d.Digest.String())
		case slices.ContainsFunc(children, alike):
			digests = append(digests, fmt.Sprintf("%s@%s (%s)", repository, d.Digest, platformText(*d.Platform)))
		default:
			platforms = append(platforms, platformText(*d.Platform))
		}
	}
	if n := len(digests) - maxAdvised; n > 0 {
		digests = append(digests[:maxAdvised], fmt.Sprintf("%d more", n))
	}
	var ways []string
	if len(platforms) > 0 {
		ways = append(ways, "choose one with --platform ("+strings.Join(platforms, ", ")+")")
	}
	if len(digests) > 0 {
		ways = append(ways, "copy one by its digest ("+strings.Join(digests, ", ")+")")
	}
	if len(ways) == 0 {
		return "choose a platform with --platform"
	}
	return strings.Join(ways, ", or ")
}

// attestationOf is the annotation by which build tools say which image of an
// index an attestation in it is of.
const attestationOf = "vnd.docker.reference.digest"

// choose tells which entries of an index are copied: images of the platforms
// that were chosen, attestations of these if they are wanted, and indexes, in
// which the same question is asked again.
func (w *walker) choose(children []ocispec.Descriptor) []bool {
	want := w.platform.of(children)
	chosen := make([]bool, len(children))
	images := map[string]bool{}
	for i, c := range children {
		chosen[i] = len(want.Only) == 0 || manifest.IsIndex(c.MediaType) || describes(c.Platform) && want.fits(*c.Platform)
		if chosen[i] {
			images[c.Digest.String()] = true
		}
	}
	for i, c := range children {
		if of := c.Annotations[attestationOf]; of != "" {
			chosen[i] = !w.bare && (chosen[i] || images[of])
		}
	}
	return chosen
}

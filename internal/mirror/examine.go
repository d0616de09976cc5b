// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// An examination is what is known about an image before any of its blobs is fetched. A
// Plan and a Copy both start with it. For one goroutine at a time.
type examination struct {
	Image
	from  *source
	root  digest.Digest     // at the source
	found destination.Found // at the destination
	tree  tree              // zero: not read
}

// An examiner examines images for a Plan or a Copy.
type examiner struct {
	*Copier
	cache  manifestCache
	dryRun bool // for a Plan, which needs the tree of images that are present too
	// count is called for each manifest of an image that is not present.
	count func(d ocispec.Descriptor, fetched bool)
}

// examine reads the tree of an image and checks what the destination has of it. If it
// fails and the image is present, only the tree is unknown.
func (e examiner) examine(ctx context.Context, x *examination) (err error) {
	if x.from, x.root, err = e.sources.find(ctx, x.Image); err != nil {
		return err
	}
	if x.found, err = e.has(ctx, x.Image, tree{root: ocispec.Descriptor{Digest: x.root}}); err != nil {
		return err
	}
	if x.found.Present && !e.dryRun && !e.wantsReferrers(x.found) {
		return nil
	}
	if !x.found.Present && !x.found.MaybePartial {
		if err := e.to.Prepare(ctx, x.Image, e.dryRun); err != nil {
			return err
		}
	}
	manifests := map[digest.Digest]manifest.Manifest{}
	w := walker{cache: e.cache, from: x.from, skipAttestations: !e.to.KeepsReferrers()}
	w.visit = func(n *manifest.Node, fetched bool) {
		manifests[n.Digest] = n.Manifest
		if e.count != nil && !x.found.Present {
			e.count(n.Descriptor, fetched)
		}
	}
	if !x.found.Present {
		w.platforms = e.o.Platforms // what is present stays unchanged
	}
	t, err := w.walk(ctx, x.root)
	if err != nil {
		return err
	}
	x.tree = t
	manifests[t.root.Digest] = manifests[x.root] // a rewritten index lists some of the same images
	if x.found.Present {
		return nil
	}
	if err := e.to.Check(ctx, x.tree.staged(x.Image), manifests); err != nil {
		return err
	}
	if x.found.MaybePartial || x.rewritten() || x.tree.sparse {
		maybePartial := x.found.MaybePartial
		x.found, err = e.has(ctx, x.Image, x.tree)
		x.found.MaybePartial = maybePartial
	}
	return err
}

// rewritten reports whether the image has another digest at the destination.
func (x *examination) rewritten() bool {
	return x.tree.root.Digest != "" && x.tree.root.Digest != x.root
}

// has asks the destination for an image, as far as its tree is known. Its record counts
// if it covers the tree.
func (c *Copier) has(ctx context.Context, i Image, t tree) (destination.Found, error) {
	f, err := c.to.Has(ctx, t.staged(i))
	if err != nil {
		return destination.Found{}, err
	}
	if f.Present {
		f.MaybePartial = f.MaybePartial && c.o.Platforms.Index == SparseIndex
		f.Present = !f.MaybePartial
	}
	if !f.Present || f.Record != nil && !f.Record.Covers(t.manifests) {
		f.Record = nil
	}
	return f, nil
}

// wantsReferrers reports whether to search for the referrers of an image. This includes a
// present image without a record of all its referrers.
func (c *Copier) wantsReferrers(f destination.Found) bool {
	switch {
	case !c.to.KeepsReferrers():
		return false
	case c.o.Signatures == SignaturesNew:
		return !f.Present || f.Record == nil
	}
	return c.o.Signatures == SignaturesAlways
}

// A task examines an image, or looks for its referrers.
type task struct {
	item      *item
	referrers bool
}

// runTask examines an image. Its referrers are a task of their own.
func (r *copying) runTask(t task) {
	it := t.item
	switch {
	case r.ctx.Err() != nil:
	case t.referrers:
		r.findReferrers(it)
	default:
		if err := r.examineItem(it); err != nil {
			r.failExamination(it, err)
		} else if r.wantsReferrers(it.found) && r.scheduler.going(it) {
			r.tasks.push(task{it, true})
			return
		}
	}
	if r.scheduler.examined(it) {
		r.planned()
	}
}

// failExamination ends an image that could not be examined. An image that was named by
// its digest and that its registry does not have is absent, because no search found it.
func (r *copying) failExamination(it *item, err error) {
	if it.Tag == "" && errors.Is(err, ErrAbsent) && r.ctx.Err() == nil {
		r.scheduler.finish(it, Absent, err)
		return
	}
	r.fail(it, err)
}

// examineItem examines an image. Its blobs are fetched once all of them are known, and
// the disk has room for them.
func (r *copying) examineItem(it *item) error {
	if it.nameConflict != nil {
		return it.nameConflict
	}
	image := it.parts[0]
	e := examiner{Copier: r.Copier, cache: r.cache, count: func(d ocispec.Descriptor, fetched bool) { r.scheduler.count(image, d, fetched) }}
	if err := e.examine(r.ctx, &it.examination); err != nil {
		if !it.found.Present || r.stopIfFatal(err) {
			return err
		}
		it.note("the referrers of %s are not known: %v", it.root, err)
		it.unreadLists++
		return nil
	}
	if it.tree.root.Digest == "" {
		return nil // not read: the image is present with all its referrers
	}
	image.tree = it.tree
	if !it.found.Present {
		for _, d := range it.tree.blobs {
			r.needBlob(image, d, it.from)
		}
	}
	for _, p := range it.tree.platforms {
		it.platforms = append(it.platforms, manifest.PlatformString(p))
	}
	if r.scheduler.measure(it, it.tree.size) {
		r.emit(Event{Kind: ImagePlanned, Image: it.reference, Digest: it.root, Bytes: it.tree.size})
	}
	r.scheduler.admit(image, it.found.Present)
	return nil
}

// needBlob records that a part needs a blob. For the first part it checks whether the blob
// must be fetched.
func (r *copying) needBlob(p *part, d ocispec.Descriptor, from *source) {
	b := r.scheduler.addBlob(p, d, from)
	if b == nil {
		return
	}
	need, err := r.blobNeed(r.ctx, p.item.Image, d)
	if err != nil {
		if !r.stopIfFatal(err) {
			r.scheduler.finishBlob(b, err) // a blob of another size is there
		}
		return
	}
	r.scheduler.checked(b, need)
}

// A blobNeed describes the work that a blob needs.
type blobNeed struct {
	needed    bool  // by the destination
	staged    bool  // nothing has to be fetched
	remaining int64 // bytes to be fetched
}

// blobNeed checks whether a blob must be fetched. It only logs an error of the
// destination, which may concern one image while others need the blob too: PutBlob or
// Commit reports such an error.
func (c *Copier) blobNeed(ctx context.Context, i Image, d ocispec.Descriptor) (n blobNeed, err error) {
	n.needed, err = c.to.NeedsBlob(ctx, i, d)
	switch {
	case err == nil:
	case destination.IsFatal(err), ctx.Err() != nil, errors.Is(err, layout.ErrCorrupt):
		return n, err
	default:
		c.o.Logger.DebugContext(ctx, "unknown whether the destination has a blob", "digest", d.Digest, "error", err)
		n.needed = true
	}
	if !n.needed {
		return n, nil
	}
	if n.staged, err = c.to.Staging().Has(ctx, d); err == nil && !n.staged {
		n.remaining = d.Size - c.to.Staging().PartialSize(d)
	}
	return n, destination.StagingError(err)
}

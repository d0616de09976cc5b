// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// look finds something out about an image.
func (r *copying) examineNext(l examination) {
	it := l.item
	switch {
	case r.ctx.Err() != nil:
	case l.referrers:
		r.findReferrers(it)
	default:
		if err := r.examine(it); err != nil {
			r.failExamination(it, err)
		} else if r.wantsReferrers(it) && r.scheduler.going(it) {
			r.examinations.push(examination{it, true})
			return
		}
	}
	if r.scheduler.examined(it) {
		r.planned()
	}
}

// failLook ends an image that could not be looked at. One that was named by its
// digest, and that its registry does not have, is absent: no search has seen it.
func (r *copying) failExamination(it *item, err error) {
	if it.Tag == "" && errors.Is(err, ErrAbsent) && r.ctx.Err() == nil {
		r.scheduler.finish(it, Absent, err)
		return
	}
	r.fail(it, err)
}

// signatures tells whether what is attached to an image is looked for: also when
// the image is there, and the destination has no record that all of it is.
func (r *copying) wantsReferrers(it *item) bool {
	if !r.to.KeepsReferrers() {
		return false
	}
	return r.o.Signatures == SignaturesAlways || r.o.Signatures == SignaturesNew && (!it.present || it.record == nil)
}

// examine finds out what an image is made of and whether the destination has it.
// Its blobs are fetched once all of them are known, and the disk has room for them.
func (r *copying) examine(it *item) (err error) {
	if err := it.check(); err != nil {
		return err
	}
	if it.nameConflict != nil {
		return it.nameConflict
	}
	if it.from, err = r.sources.of(it.Image); err != nil {
		return err
	}
	if it.root = it.Digest; it.root == "" {
		if it.root, err = it.from.resolve(r.ctx, it.Tag); err != nil {
			return fmt.Errorf("tag %s: %w", it.Tag, err)
		}
	}
	f, err := r.has(r.ctx, it.Image, tree{root: ocispec.Descriptor{Digest: it.root}})
	if err != nil {
		return err
	}
	it.present, it.maybePartial, it.record = f.Present, f.MaybePartial, f.record
	if it.present && !r.wantsReferrers(it) {
		return nil
	}
	if !it.present && !it.maybePartial {
		if err := r.to.Prepare(r.ctx, it.Image, false); err != nil {
			return err
		}
	}
	image := it.parts[0]
	w := walker{cache: r.cache, from: it.from, bare: !r.to.KeepsReferrers()}
	if !it.present {
		w.platform = r.o.Platforms // what is there stays as it is
		w.manifest = func(d ocispec.Descriptor, fetched bool) { r.scheduler.count(image, d, fetched) }
	}
	if image.tree, err = w.walk(r.ctx, it.root); err != nil {
		if !it.present || r.stopIfFatal(err) {
			return err
		}
		// The destination has the image, whatever its source says.
		image.tree = tree{}
		it.note("what is attached to %s is not known: %v", it.root, err)
		it.unreadLists++
		return nil
	}
	going := r.scheduler.measure(it, image.tree.size)
	if !it.present {
		if err := r.to.Check(r.ctx, it.staged()); err != nil {
			return err
		}
		for _, d := range image.tree.blobs {
			r.needBlob(image, d, it.from)
		}
	}
	it.rewritten = image.tree.root.Digest != it.root
	for _, p := range image.tree.platforms {
		it.platforms = append(it.platforms, platformText(p))
	}
	if !it.present && (it.maybePartial || it.rewritten || image.tree.sparse) {
		f, err := r.has(r.ctx, it.Image, image.tree)
		if err != nil {
			return err
		}
		it.present, it.record = f.Present, f.record
	}
	if going {
		r.emit(Event{Kind: ImagePlanned, Image: it.reference, Digest: it.root, Bytes: image.tree.size})
	}
	r.scheduler.admit(image, it.present)
	return nil
}

// need says that a part needs a blob. The first one to say so asks whether it
// has to be fetched.
func (r *copying) needBlob(p *part, d ocispec.Descriptor, from *source) {
	b := r.scheduler.addBlob(p, d, from)
	if b == nil {
		return
	}
	wanted, err := r.needsBlob(r.ctx, p.item.Image, d)
	have := false
	if wanted && err == nil {
		have, err = r.staging.Has(r.ctx, d)
		err = stagingError(err)
	}
	if err != nil {
		if !r.stopIfFatal(err) {
			r.scheduler.finishBlob(b, err) // there is one, and it has another size
		}
		return
	}
	rest := d.Size
	if wanted && !have {
		rest -= r.staging.Begun(d)
	}
	r.scheduler.checked(b, wanted, have, rest)
}

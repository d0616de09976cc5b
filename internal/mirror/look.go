// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

// Bounds on what is attached to one image.
const (
	maxAttached = 100 // to one manifest
	maxParts    = 500 // to all of its manifests
)

// look finds something out about an image.
func (r *copying) look(l look) {
	it := l.item
	switch {
	case r.ctx.Err() != nil:
	case l.attached:
		r.lookAround(it)
	default:
		if err := r.examine(it); err != nil {
			r.fail(it, err)
		} else if r.signatures(it) {
			r.looks.push(look{it, true})
			return
		}
	}
	if r.ledger.looked(it) {
		r.planned()
	}
}

// signatures tells whether what is attached to an image is looked for.
func (r *copying) signatures(it *item) bool {
	if to, ok := r.to.(SignatureKeeper); ok && !to.KeepsSignatures() {
		return false
	}
	return r.o.Signatures == SignaturesAlways || r.o.Signatures == SignaturesNew && !it.present
}

// examine finds out what an image is made of and whether the destination has it.
// Its blobs are asked for as soon as each is known.
func (r *copying) examine(it *item) (err error) {
	if err := it.check(); err != nil {
		return err
	}
	if it.from, err = r.sources.of(it.Image); err != nil {
		return err
	}
	if it.root = it.Digest; it.root == "" {
		if it.root, err = it.from.resolve(r.ctx, it.Tag); err != nil {
			return fmt.Errorf("tag %s: %w", it.Tag, err)
		}
	}
	if it.present, err = r.to.Has(r.ctx, it.Image, it.root); err != nil {
		return err
	}
	if it.present && r.o.Signatures != SignaturesAlways {
		return nil
	}
	if to, ok := r.to.(Preparer); ok && !it.present {
		if err := to.Prepare(r.ctx, it.Image); err != nil {
			return err
		}
	}
	image := it.parts[0]
	need := func(d ocispec.Descriptor) { r.need(image, d, it.from) }
	checker, checks := r.to.(Checker)
	w := walker{shelf: r.shelf, from: it.from, platform: r.o.Platforms}
	if !it.present {
		w.manifest = func(d ocispec.Descriptor, fetched bool) { r.ledger.count(image, d, fetched) }
		if !checks {
			w.blob = need
		}
	}
	if image.tree, err = w.walk(r.ctx, it.root); err != nil {
		return err
	}
	it.size = image.tree.size
	if checks && !it.present {
		if err := checker.Check(r.ctx, it.staged()); err != nil {
			return err
		}
		for _, d := range image.tree.blobs {
			need(d)
		}
	}
	it.rewritten = image.tree.root.Digest != it.root
	for _, p := range image.tree.platforms {
		it.platforms = append(it.platforms, platformText(p))
	}
	if !it.present && (it.rewritten || image.tree.sparse) {
		if it.present, err = r.hasPart(r.ctx, it.Image, image.tree); err != nil {
			return err
		}
	}
	r.tell(Event{Kind: ImagePlanned, Image: it.reference, Digest: it.root, Bytes: it.size})
	return nil
}

// need says that a part needs a blob. The first one to say so asks whether it
// has to be fetched.
func (r *copying) need(p *part, d ocispec.Descriptor, from *source) {
	b := r.ledger.need(p, d, from)
	if b == nil {
		return
	}
	wanted, err := r.to.Wants(r.ctx, p.item.Image, d)
	if err != nil && !r.ends(err) && !errors.Is(err, layout.ErrCorrupt) {
		// It may be one image's trouble, and others need the blob too: whoever
		// takes it will see.
		r.o.Logger.DebugContext(r.ctx, "cannot tell whether the destination has a blob", "digest", d.Digest, "error", err)
		wanted, err = true, nil
	}
	have := false
	if wanted && err == nil {
		have, err = r.staging.Has(r.ctx, d)
		err = staged(err)
	}
	if err != nil {
		if !r.ends(err) {
			r.ledger.finishBlob(b, err) // there is one, and it has another size
		}
		return
	}
	if wanted && !have {
		r.wanted.Add(d.Size)
	}
	r.ledger.asked(b, wanted, have)
}

// lookAround finds what is attached to an image: to its root, and to each image
// of an index, for both are signed. None of it makes the image fail.
//
// An index that was rewritten is no longer what was signed. What was attached
// to it is counted as found, and left; its images are what they were.
func (r *copying) lookAround(it *item) {
	seen := map[string]bool{}
	if it.rewritten {
		list, err := it.from.attachments(r.ctx, it.root)
		if err != nil {
			it.note("what is attached to %s is not known: %v", it.root, err)
			it.lacking++
		} else if len(list) > 0 {
			it.note("left behind: %d attached to %s, which the index was before it was rewritten", len(list), it.root)
			it.left = len(list)
		}
	}
	manifests := it.parts[0].tree.manifests
	for i := len(manifests) - 1; i >= 0; i-- { // the root first
		d := manifests[i]
		if d.Platform != nil && !describes(d.Platform) || it.rewritten && i == len(manifests)-1 {
			continue
		}
		r.follow(it, d.Digest, seen, 0)
	}
}

// follow finds what is attached to a manifest and, for once, what is attached to
// that: a list of parts may be signed in turn.
func (r *copying) follow(it *item, d digest.Digest, seen map[string]bool, depth int) {
	if r.ctx.Err() != nil {
		return
	}
	list, err := it.from.attachments(r.ctx, d)
	if err != nil {
		it.note("what is attached to %s is not known: %v", d, err)
		it.lacking++
		return
	}
	for _, a := range list {
		key := a.Tag + "@" + a.Descriptor.Digest.String()
		if seen[key] {
			continue
		}
		if len(seen) == maxParts {
			it.note("more than %d are attached", maxParts)
			it.lacking++
			return
		}
		seen[key] = true
		p := r.ledger.attach(it, a.Tag)
		w := walker{
			shelf: r.shelf, from: it.from,
			manifest: func(d ocispec.Descriptor, fetched bool) { r.ledger.count(p, d, fetched) },
			blob:     func(d ocispec.Descriptor) { r.need(p, d, it.from) },
		}
		tree, err := w.walk(r.ctx, a.Descriptor.Digest)
		p.tree = tree
		if err != nil {
			if r.ends(err) {
				return
			}
			r.ledger.drop(p, err)
			continue
		}
		if depth == 0 && !strings.HasSuffix(a.Tag, ".sig") {
			r.follow(it, a.Descriptor.Digest, seen, depth+1)
		}
	}
}

// note adds something that people should know about an image.
func (it *item) note(format string, a ...any) {
	it.notes = append(it.notes, fmt.Sprintf(format, a...))
}

// staged is an item as its destination gets it.
func (it *item) staged() Staged {
	s := it.parts[0].tree.staged(it.Image)
	for _, p := range it.parts[1:] {
		if p.err == nil {
			s.Attached = append(s.Attached, Attached{p.tag, p.tree.root, p.tree.manifests, p.tree.blobs})
		}
	}
	return s
}

// commit gives a destination an image all of which is in.
func (r *copying) commit(it *item) {
	// The entry of a sparse index tells which of its images were chosen.
	if it.present && len(it.parts) == 1 && !it.parts[0].tree.sparse {
		r.ledger.finish(it, Present, nil)
		return
	}
	if it.platforms == nil {
		it.platforms = r.platformsOf(it)
	}
	err := r.to.Commit(r.ctx, it.staged())
	var missing *MissingError
	switch {
	case err == nil && it.present:
		r.ledger.finish(it, Present, nil)
	case err == nil:
		r.ledger.finish(it, Copied, nil)
	case errors.As(err, &missing) && it.rounds < maxRounds:
		it.rounds++
		if !r.refetch(it, missing.Blobs) {
			r.fail(it, err)
		}
	default:
		r.fail(it, err)
	}
}

// maxRounds is how often a destination may find that something is missing.
const maxRounds = 2

// refetch fetches blobs that a destination said it did not want.
func (r *copying) refetch(it *item, blobs []ocispec.Descriptor) bool {
	for _, d := range blobs {
		r.wanted.Add(d.Size)
	}
	return r.ledger.fetchAfterAll(it, blobs)
}

// platformsOf reads the platform of an image without an index from its
// configuration, when that is at hand.
func (r *copying) platformsOf(it *item) []string {
	for _, d := range it.parts[0].tree.blobs {
		if d.MediaType != ocispec.MediaTypeImageConfig && d.MediaType != dockerConfig || d.Size > maxConfig {
			continue
		}
		content, err := r.staging.Read(r.ctx, d)
		if err != nil {
			continue
		}
		if c, err := parseConfig(d.MediaType, content); err == nil && c.Platform.OS != "" {
			return []string{platformText(c.Platform)}
		}
	}
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
)

// Limits of the referrers of one image.
const (
	maxReferrers    = 100 // to one manifest
	maxAllReferrers = 500 // to all of its manifests
)

// findReferrers finds the signatures, attestations and SBOMs of an image: of its root,
// and of each image of an index, because both may be signed. An error with referrers does
// not fail the image.
//
// The signatures of an index do not match once the index is rewritten. They are counted as
// found and not copied. The referrers of its images are copied.
//
// If some referrers are missing, the image is committed without a record, so that the next
// run searches again.
func (r *copying) findReferrers(it *item) {
	seen := map[string]bool{}
	if it.rewritten() {
		list, err := it.from.referrers(r.ctx, it.root)
		if r.ctx.Err() != nil {
			return
		}
		if err != nil {
			it.note("the referrers of %s are not known: %v", it.root, err)
			it.unreadLists++
		} else if len(list) > 0 {
			it.note("%d referrers of %s were not copied: they belong to the index before it was rewritten", len(list), it.root)
			it.leftBehind = len(list)
		}
	}
	manifests := it.parts[0].tree.manifests
	for i := len(manifests) - 1; i >= 0; i-- { // the root first
		d := manifests[i]
		if d.Platform != nil && !manifest.Runs(d.Platform) || it.rewritten() && i == len(manifests)-1 {
			continue
		}
		r.findReferrersOf(it, d.Digest, seen, 0)
	}
	it.searched = r.ctx.Err() == nil
}

// findReferrersOf finds the referrers of a manifest, and their own referrers: an SBOM may
// be signed.
func (r *copying) findReferrersOf(it *item, d digest.Digest, seen map[string]bool, depth int) {
	if r.ctx.Err() != nil {
		return
	}
	list, err := it.from.referrers(r.ctx, d)
	if r.ctx.Err() != nil {
		return // the image stays unfinished
	}
	if err != nil {
		it.note("the referrers of %s are not known: %v", d, err)
		it.unreadLists++
		return
	}
	for _, a := range list {
		key := a.Tag + "@" + a.Descriptor.Digest.String()
		if seen[key] {
			continue
		}
		if len(seen) == maxAllReferrers {
			it.note("it has more than %d referrers", maxAllReferrers)
			it.unreadLists++
			return
		}
		seen[key] = true
		p := r.scheduler.addReferrer(it, a.Tag)
		w := walker{cache: r.cache, from: it.from, visit: func(n *manifest.Node, fetched bool) { r.scheduler.count(p, n.Descriptor, fetched) }}
		tree, err := w.walk(r.ctx, a.Descriptor.Digest)
		p.tree = tree
		if err != nil {
			if r.stopIfFatal(err) {
				return
			}
			r.scheduler.failPartNow(p, err)
			continue
		}
		for _, d := range tree.blobs {
			r.needBlob(p, d, it.from)
		}
		r.scheduler.admit(p, false)
		if depth == 0 && !strings.HasSuffix(a.Tag, ".sig") {
			r.findReferrersOf(it, a.Descriptor.Digest, seen, depth+1)
		}
	}
}

// note adds a note for the user about an image.
func (it *item) note(format string, a ...any) {
	it.notes = append(it.notes, fmt.Sprintf(format, a...))
}

// staged returns an item in the form that a destination expects.
func (it *item) staged() destination.Staged {
	s := it.parts[0].tree.staged(it.Image)
	s.Present, s.Record = it.found.Present, it.newRecord()
	for _, p := range it.parts[1:] {
		if p.err == nil {
			s.Referrers = append(s.Referrers, destination.Referrer{Tag: p.tag, Root: p.tree.root, Manifests: p.tree.manifests, Blobs: p.tree.blobs})
		}
	}
	return s
}

// newRecord returns the record to commit an image with: a new record if all referrers were
// found and copied, nil if some are missing, and the old record if this run did not search
// for them.
func (it *item) newRecord() *destination.Record {
	if !it.searched {
		return it.found.Record
	}
	if it.unreadLists > 0 {
		return nil
	}
	r := &destination.Record{}
	for _, p := range it.parts[1:] {
		if p.err != nil {
			return nil
		}
		name := p.tag
		if name == "" {
			name = p.tree.root.Digest.String()
		}
		r.Referrers = append(r.Referrers, name)
	}
	slices.Sort(r.Referrers)
	if it.parts[0].tree.sparse {
		for _, d := range it.parts[0].tree.manifests {
			r.To = append(r.To, d.Digest)
		}
		slices.Sort(r.To)
	}
	return r
}

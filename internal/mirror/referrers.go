// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
)

// Bounds on what is attached to one image.
const (
	maxAttached = 100 // to one manifest
	maxParts    = 500 // to all of its manifests
)

// lookAround finds what is attached to an image: to its root, and to each image
// of an index, for both are signed. None of it makes the image fail.
//
// An index that was rewritten is no longer what was signed. What was attached
// to it is counted as found, and left; its images are what they were.
//
// An image of which something is missing is committed without a record, so that
// the next run looks again.
func (r *copying) findReferrers(it *item) {
	seen := map[string]bool{}
	if it.rewritten() {
		list, err := it.from.attachments(r.ctx, it.root)
		if r.ctx.Err() != nil {
			return
		}
		if err != nil {
			it.note("what is attached to %s is not known: %v", it.root, err)
			it.unreadLists++
		} else if len(list) > 0 {
			it.note("left behind: %d attached to %s, which the index was before it was rewritten", len(list), it.root)
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

// follow finds what is attached to a manifest and, for once, what is attached to
// that: a list of parts may be signed in turn.
func (r *copying) findReferrersOf(it *item, d digest.Digest, seen map[string]bool, depth int) {
	if r.ctx.Err() != nil {
		return
	}
	list, err := it.from.attachments(r.ctx, d)
	if r.ctx.Err() != nil {
		return // the image is not finished, and whether it has any is not known
	}
	if err != nil {
		it.note("what is attached to %s is not known: %v", d, err)
		it.unreadLists++
		return
	}
	for _, a := range list {
		key := a.Tag + "@" + a.Descriptor.Digest.String()
		if seen[key] {
			continue
		}
		if len(seen) == maxParts {
			it.note("more than %d are attached", maxParts)
			it.unreadLists++
			return
		}
		seen[key] = true
		p := r.scheduler.attach(it, a.Tag)
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

// note adds something that people should know about an image.
func (it *item) note(format string, a ...any) {
	it.notes = append(it.notes, fmt.Sprintf(format, a...))
}

// staged is an item as its destination gets it.
func (it *item) staged() destination.Staged {
	s := it.parts[0].tree.staged(it.Image)
	s.Present, s.Record = it.found.Present, it.newRecord()
	for _, p := range it.parts[1:] {
		if p.err == nil {
			s.Attached = append(s.Attached, destination.Attached{Tag: p.tag, Root: p.tree.root, Manifests: p.tree.manifests, Blobs: p.tree.blobs})
		}
	}
	return s
}

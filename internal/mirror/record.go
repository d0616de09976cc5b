// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"slices"

	"github.com/quayside/quayside/internal/destination"
)

// remember is the record that an image is committed with: a new one when all that
// is attached was found and can be had, none when some of it cannot, and the one
// that was there when nobody has looked.
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
		r.Attached = append(r.Attached, name)
	}
	slices.Sort(r.Attached)
	if it.parts[0].tree.sparse {
		for _, d := range it.parts[0].tree.manifests {
			r.To = append(r.To, d.Digest)
		}
		slices.Sort(r.To)
	}
	return r
}

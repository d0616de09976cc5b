// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// Annotations of an entry of the index, and limits.
const (
	// AnnotationIndex is the annotation for the kind of index that an entry refers to.
	AnnotationIndex = "dev.quayside.index"
	// SparseIndex is the value of AnnotationIndex for an index of which some images were
	// left out on purpose.
	SparseIndex = "sparse"

	// annotationKept lists the manifests of a sparse index that were present when Tag was
	// called. If such a manifest is missing later, the image is damaged.
	annotationKept = "dev.quayside.index.kept"

	maxIndex = 16 << 20 // bytes of index.json: about 40,000 images
)

// An Entry is an image of the layout's index.
type Entry struct {
	Name       string // full reference, such as quay.io/org/image:tag
	Descriptor ocispec.Descriptor
}

// index is the content of index.json. It is immutable; its method with returns a changed
// copy.
type index struct {
	fields  map[string]json.RawMessage // all fields but the entries
	foreign []entry                    // entries of other tools, in their order
	images  []entry                    // entries with a full reference, one for each name, sorted
}

// entry is an entry of index.json with its text. An entry that cannot be read is kept
// with its text: see invalid.
type entry struct {
	Entry
	raw     json.RawMessage
	place   int   // in the file, from 0
	invalid error // why the descriptor cannot be used; nil for a valid entry
}

func newIndex() index {
	return index{fields: map[string]json.RawMessage{
		"schemaVersion": json.RawMessage("2"),
		"mediaType":     json.RawMessage(`"` + ocispec.MediaTypeImageIndex + `"`),
	}}
}

// readIndex reads index.json.
func (f folder) readIndex() (index, error) {
	content, err := readFile(f.path(ocispec.ImageIndexFile), maxIndex)
	if err != nil {
		return index{}, err
	}
	x, err := parseIndex(content)
	if err != nil {
		return index{}, fmt.Errorf("%s cannot be read: %w", ocispec.ImageIndexFile, err)
	}
	return x, nil
}

// parseIndex reads an index, ours or another tool's. An entry that is not a valid
// descriptor is kept among the foreign entries and affects no other entry.
func parseIndex(content []byte) (index, error) {
	x := index{}
	if err := json.Unmarshal(content, &x.fields); err != nil {
		return index{}, manifest.JSONError(err)
	}
	var version int
	if err := json.Unmarshal(x.fields["schemaVersion"], &version); err != nil || version != 2 {
		return index{}, fmt.Errorf("schema version %.20q, and only 2 is supported", x.fields["schemaVersion"])
	}
	var raws []json.RawMessage
	raw, ok := x.fields["manifests"]
	if !ok {
		return index{}, errors.New("it has no list of manifests")
	}
	if err := json.Unmarshal(raw, &raws); err != nil {
		return index{}, fmt.Errorf("its list of manifests: %w", manifest.JSONError(err))
	}
	delete(x.fields, "manifests")
	for i, raw := range raws {
		e := entry{raw: raw, place: i}
		e.Descriptor, e.invalid = manifest.ParseEntry(raw)
		e.Name = e.Descriptor.Annotations[ocispec.AnnotationRefName]
		if isReference(e.Name) && e.invalid == nil {
			x.images = append(x.images, e)
		} else {
			x.foreign = append(x.foreign, e)
		}
	}
	slices.SortStableFunc(x.images, byName)
	// The last entry with a name counts. Earlier entries with that name are kept unchanged.
	for i := 0; i+1 < len(x.images); {
		if x.images[i].Name == x.images[i+1].Name {
			x.foreign = append(x.foreign, x.images[i])
			x.images = slices.Delete(x.images, i, i+1)
		} else {
			i++
		}
	}
	return x, nil
}

// encode returns the text of the index: foreign entries unchanged and in their order, then
// images by name.
func (x index) encode() []byte {
	var b bytes.Buffer
	keys := slices.SortedFunc(maps.Keys(x.fields), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	b.WriteByte('{')
	for _, key := range keys {
		name, _ := json.Marshal(key)
		b.Write(name)
		b.WriteByte(':')
		b.Write(x.fields[key])
		b.WriteByte(',')
	}
	b.WriteString(`"manifests":[`)
	for i, e := range x.entries() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.raw)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// rank sorts the fields that identify an index first.
func rank(field string) int {
	return (slices.Index([]string{"schemaVersion", "mediaType"}, field) + 3) % 3
}

// entries returns all entries in the order in which they are written.
func (x index) entries() []entry { return slices.Concat(x.foreign, x.images) }

// find returns the position of a name among the images, or the position to insert it.
func (x index) find(name string) (int, bool) {
	return slices.BinarySearchFunc(x.images, name, func(e entry, name string) int { return cmp.Compare(e.Name, name) })
}

// with returns the index after changes, and whether it differs.
func (x index) with(changes []change) (index, bool) {
	next := index{fields: x.fields, foreign: slices.Clone(x.foreign), images: slices.Clone(x.images)}
	changed := false
	for _, c := range changes {
		foreign := len(next.foreign)
		next.foreign = slices.DeleteFunc(next.foreign, func(e entry) bool { return e.Name == c.name })
		changed = changed || len(next.foreign) < foreign
		at, there := next.find(c.name)
		switch {
		case there && c.entry == nil:
			next.images = slices.Delete(next.images, at, at+1)
		case there && !bytes.Equal(next.images[at].raw, c.entry.raw):
			next.images[at] = *c.entry
		case !there && c.entry != nil:
			next.images = slices.Insert(next.images, at, *c.entry)
		default:
			continue
		}
		changed = true
	}
	return next, changed
}

// newEntry returns an entry with the annotations that other tools read names from.
func newEntry(e Entry) (entry, error) {
	annotations := maps.Clone(e.Descriptor.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[ocispec.AnnotationRefName] = e.Name
	annotations[manifest.AnnotationContainerdName] = e.Name
	e.Descriptor.Annotations = annotations
	raw, err := json.Marshal(e.Descriptor)
	return entry{Entry: e, raw: raw}, err
}

// ours reports whether this package made the entry.
func (e entry) ours() bool {
	return isReference(e.Name) && e.Descriptor.Annotations[manifest.AnnotationContainerdName] == e.Name
}

// label returns the name of an entry for messages: its name, its digest, or its position.
func (e entry) label() string {
	return cmp.Or(e.Name, e.Descriptor.Digest.String(), fmt.Sprintf("entry %d of %s", e.place, ocispec.ImageIndexFile))
}

// mayLack reports whether an image of a sparse index was left out on purpose.
func (e entry) mayLack(d ocispec.Descriptor) bool {
	if e.Descriptor.Annotations[AnnotationIndex] != SparseIndex {
		return false
	}
	kept, known := e.Descriptor.Annotations[annotationKept]
	return !known || !slices.Contains(strings.Fields(kept), d.Digest.String())
}

// isReference reports whether a name is a full reference, not a bare tag.
func isReference(name string) bool { return strings.Contains(name, "/") }

func byName(a, b entry) int { return cmp.Compare(a.Name, b.Name) }

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// aliveAt reports whether a tag is live at a time: not hidden, and without an
// end or with one in the future (doc/quay-api.md
// section 2).
func (t *Tag) aliveAt(now time.Time) bool { return !t.Hidden && (t.End.IsZero() || t.End.After(now)) }

// A tagIndex holds a repository's tags as the server lists them: newest
// first, then by name, without the hidden ones. Repositories that share
// their tags share it.
type tagIndex struct {
	rows   []*Tag
	byName map[string][]*Tag // in the order of rows; nil where a walk is as fast
}

// fewTags is how many tags are looked through rather than looked up.
const fewTags = 16

func newTagIndex(tags []Tag) *tagIndex {
	x := &tagIndex{rows: make([]*Tag, 0, len(tags))}
	for i := len(tags) - 1; i >= 0; i-- { // of two that are alike in start and name, the later one is first
		if !tags[i].Hidden {
			x.rows = append(x.rows, &tags[i])
		}
	}
	slices.SortStableFunc(x.rows, func(a, b *Tag) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Name, b.Name))
	})
	if len(x.rows) > fewTags {
		x.byName = make(map[string][]*Tag)
		for _, t := range x.rows {
			x.byName[t.Name] = append(x.byName[t.Name], t)
		}
	}
	return x
}

// named gives the rows that may have a name: they are still to be compared.
func (x *tagIndex) named(name string) []*Tag {
	if x == nil {
		return nil
	}
	if x.byName != nil {
		return x.byName[name]
	}
	return x.rows
}

// newest gives the live tag that started last, or nil.
func (x *tagIndex) newest(now time.Time) *Tag {
	if x == nil {
		return nil
	}
	for _, t := range x.rows {
		if t.aliveAt(now) {
			return t
		}
	}
	return nil
}

// tagSet names the tags of a repository, and of all that share them.
type tagSet struct {
	first *Tag
	n     int
}

func tagSetOf(tags []Tag) tagSet {
	if len(tags) == 0 {
		return tagSet{}
	}
	return tagSet{&tags[0], len(tags)}
}

// tagIndex gives the index of a repository's tags, nil when it has none.
func (s *state) tagIndex(r *Repository) *tagIndex {
	if x := s.tags[tagSetOf(r.Tags)]; x != nil || !s.pushed.some.Load() {
		return x
	}
	id, _ := s.find(r.Namespace, r.Name)
	if v := s.pushed.version(id); v != nil {
		return v.index
	}
	return nil
}

// addTags indexes a repository's tags, unless another one's index will do.
func (s *state) addTags(tags []Tag) {
	if set := tagSetOf(tags); set.n > 0 && s.tags[set] == nil {
		s.tags[set] = newTagIndex(tags)
	}
}

// unixSeconds returns a time as the API shows it; the zero time is 0.
func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

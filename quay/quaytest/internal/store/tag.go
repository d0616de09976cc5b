// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// A Tag is one row of a repository's tag history.
type Tag struct {
	Name         string
	Digest       digest.Digest
	Start        time.Time
	End          time.Time // zero: none
	Size         *int64    // bytes; nil: unknown
	ManifestList bool
	Reversion    bool
	Hidden       bool
}

// Live reports whether the tag is live: not hidden, and without an end or with
// one in the future (doc/quay-api.md section 2).
func (t *Tag) Live(now time.Time) bool { return !t.Hidden && !t.Ended(now) }

// Ended reports whether the tag, hidden or not, has an end that has passed.
func (t *Tag) Ended(now time.Time) bool { return !t.End.IsZero() && !t.End.After(now) }

// Tags is the tag history of a repository. It never changes, so repositories may
// share it. A nil *Tags is empty.
type Tags struct {
	rows   []Tag
	listed []*Tag
	byName map[string][]*Tag // rows of listed; nil if a scan is as fast
}

// fewTags is the number of tags up to which a scan is as fast as a map.
const fewTags = 16

// NewTags indexes a tag history that is given oldest first.
func NewTags(rows []Tag) *Tags {
	if len(rows) == 0 {
		return nil
	}
	t := &Tags{rows: rows, listed: make([]*Tag, 0, len(rows))}
	for i := len(rows) - 1; i >= 0; i-- { // of two with equal start and name, the later row comes first
		if !rows[i].Hidden {
			t.listed = append(t.listed, &rows[i])
		}
	}
	slices.SortStableFunc(t.listed, func(a, b *Tag) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Name, b.Name))
	})
	if len(t.listed) > fewTags {
		t.byName = make(map[string][]*Tag)
		for _, row := range t.listed {
			t.byName[row.Name] = append(t.byName[row.Name], row)
		}
	}
	return t
}

// Rows returns the whole history, hidden tags included, oldest first.
func (t *Tags) Rows() []Tag {
	if t == nil {
		return nil
	}
	return t.rows
}

// Listed returns the tags that are not hidden as the server lists them: newest
// first, then by name.
func (t *Tags) Listed() []*Tag {
	if t == nil {
		return nil
	}
	return t.listed
}

// Named returns the rows of Listed that may have a name. Callers compare the name
// themselves.
func (t *Tags) Named(name string) []*Tag {
	if t != nil && t.byName != nil {
		return t.byName[name]
	}
	return t.Listed()
}

// Current returns the live tag of a name, or nil.
func (t *Tags) Current(name string, now time.Time) *Tag {
	for _, row := range t.Named(name) {
		if row.Name == name && row.Live(now) {
			return row
		}
	}
	return nil
}

// Newest returns the live tag that started last, or nil.
func (t *Tags) Newest(now time.Time) *Tag {
	for _, row := range t.Listed() {
		if row.Live(now) {
			return row
		}
	}
	return nil
}

// UnixSeconds returns a time as the APIs show it; the zero time is 0.
func UnixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

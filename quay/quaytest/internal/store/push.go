// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// maxCreated is the number of repositories that pushes may create.
const maxCreated = 100_000

// ErrFull means that the limit of pushed bytes is reached.
var ErrFull = errors.New("the limit of what may be pushed is reached")

// pushes holds what clients pushed, beside a dataset that never changes. Readers
// take no lock: each repository that was pushed to has a current version, which a
// change replaces as a whole. Until something is pushed, a reader only looks at
// one flag.
type pushes struct {
	limit int64
	used  atomic.Int64 // bytes
	some  atomic.Bool  // something was pushed

	mu    sync.Mutex // one change at a time
	count atomic.Int32

	ids       sync.Map // created repositories: "namespace/name" to int32
	versions  sync.Map // repositories that were pushed to: int32 to *version
	manifests sync.Map // key to *pushedManifest
	blobs     sync.Map // key to struct{}: which repository has which blob
	content   sync.Map // digest to *Blob
}

// A version is a repository that was pushed to, as it is at a time. It never
// changes.
type version struct {
	Repository
	maker     string      // account that created the repository, "" for the dataset's
	manifests []*Manifest // pushed ones, oldest first
}

// A pushedManifest is a manifest with the manifests that it names.
type pushedManifest struct {
	Manifest
	children Children
}

// Reserve takes n bytes of the push limit, or reports that fewer are left.
func (s *Store) Reserve(n int64) bool {
	if s.pushed.used.Add(n) > s.pushed.limit {
		s.pushed.used.Add(-n)
		return false
	}
	return true
}

// Release returns bytes that Reserve took.
func (s *Store) Release(n int64) { s.pushed.used.Add(-n) }

// PushLimit returns the number of bytes that clients may push.
func (s *Store) PushLimit() int64 { return s.pushed.limit }

// version returns the current version of a repository, or nil if nothing was
// pushed to it.
func (p *pushes) version(id int32) *version {
	if !p.some.Load() {
		return nil
	}
	v, ok := p.versions.Load(id)
	if !ok {
		return nil
	}
	return v.(*version)
}

// manifest returns a pushed manifest, or nil.
func (p *pushes) manifest(k key) *pushedManifest {
	if !p.some.Load() {
		return nil
	}
	m, ok := p.manifests.Load(k)
	if !ok {
		return nil
	}
	return m.(*pushedManifest)
}

// blob returns the content of a pushed blob, or nil.
func (p *pushes) blob(d digest.Digest) *Blob {
	if !p.some.Load() {
		return nil
	}
	b, ok := p.content.Load(d)
	if !ok {
		return nil
	}
	return b.(*Blob)
}

// current returns the repository at a position once something was pushed.
func (s *Store) current(id int32) *Repository {
	if v := s.pushed.version(id); v != nil {
		return &v.Repository
	}
	return &s.repositories[id]
}

// created returns the positions, from start on, of up to limit repositories that
// pushes created and that pick accepts.
func (s *Store) created(start int32, limit int, pick func(*version) bool) []int32 {
	var ids []int32
	base := int32(len(s.repositories))
	for id := max(start, base); id < base+s.pushed.count.Load() && len(ids) < limit; id++ {
		if v := s.pushed.version(id); v != nil && pick(v) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Create creates a private repository, as Quay does on a push. Its maker gets the
// role admin. Create reports false if there are too many.
func (s *Store) Create(namespace, name, maker string) bool {
	p := s.pushed
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := s.find(namespace, name); ok {
		return true
	}
	id := int64(len(s.repositories)) + int64(p.count.Load())
	if p.count.Load() >= maxCreated || id >= math.MaxInt32 {
		return false
	}
	p.some.Store(true)
	p.versions.Store(int32(id), &version{maker: maker, Repository: Repository{Namespace: namespace, Name: name}})
	p.ids.Store(namespace+"/"+name, int32(id))
	p.count.Add(1)
	return true
}

// change replaces a repository ("namespace/name") by a version that edit has
// changed. Edit gets a copy of the tag rows and returns the new ones. If edit
// returns false, nothing changes.
func (s *Store) change(repository string, edit func(v *version, rows []Tag) ([]Tag, bool)) bool {
	p := s.pushed
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := s.find(SplitName(repository))
	if !ok {
		return false
	}
	next := version{Repository: *s.At(id)}
	if v := p.version(id); v != nil {
		next = *v
	}
	next.manifests = slices.Clip(next.manifests)
	rows, changed := edit(&next, slices.Clone(next.Tags.Rows()))
	if !changed {
		return false
	}
	next.Tags = NewTags(rows)
	p.some.Store(true)
	p.versions.Store(id, &next)
	return true
}

// PushBlob records that a repository has a blob that was pushed or mounted.
func (s *Store) PushBlob(repository string, d digest.Digest) {
	s.pushed.some.Store(true)
	s.pushed.blobs.Store(key{repository, d}, struct{}{})
}

// KeepContent keeps the content of a pushed blob. It reports false if the server
// had it before.
func (s *Store) KeepContent(d digest.Digest, data []byte) bool {
	if s.Content(d) != nil {
		return false
	}
	if data == nil {
		data = []byte{} // an empty blob; nil would be a synthetic one
	}
	s.pushed.some.Store(true)
	_, had := s.pushed.content.LoadOrStore(d, &Blob{Data: data, Size: int64(len(data))})
	return !had
}

// PushManifest adds a manifest, with the children of an index, to its repository.
// A manifest that the repository has already counts no bytes.
func (s *Store) PushManifest(m Manifest, children Children) error {
	p := &pushedManifest{Manifest: m, children: children}
	n := int64(len(m.Content))
	if !s.Reserve(n) {
		return ErrFull
	}
	s.change(m.Repository, func(v *version, rows []Tag) ([]Tag, bool) {
		if _, had := s.pushed.manifests.LoadOrStore(key{m.Repository, m.Digest}, p); had {
			s.Release(n) // another request was first
			return nil, false
		}
		v.manifests = append(v.manifests, &p.Manifest)
		return rows, true
	})
	return nil
}

// PushTag makes a tag name a manifest: its live row ends, and t begins.
func (s *Store) PushTag(repository string, t Tag) {
	s.change(repository, func(_ *version, rows []Tag) ([]Tag, bool) {
		end(rows, func(old *Tag) bool { return old.Name == t.Name && old.Digest != t.Digest }, t.Start)
		for i := range rows { // of the same digest: its signatures stay
			if old := &rows[i]; old.Name == t.Name && old.Live(t.Start) {
				old.End = t.Start
			}
		}
		return append(rows, t), true
	})
}

// KeepManifest adds a hidden tag, unless another tag keeps the manifest as long.
// A zero end keeps the manifest for good.
func (s *Store) KeepManifest(repository string, t Tag, until time.Time) {
	s.change(repository, func(_ *version, rows []Tag) ([]Tag, bool) {
		kept := slices.ContainsFunc(rows, func(other Tag) bool {
			return other.Digest == t.Digest && (other.End.IsZero() || !other.End.Before(until))
		})
		return append(rows, t), !kept
	})
}

// EndTags ends the live tags of a repository that pick accepts, and reports
// whether there was one.
func (s *Store) EndTags(repository string, pick func(*Tag) bool, now time.Time) bool {
	return s.change(repository, func(_ *version, rows []Tag) ([]Tag, bool) { return rows, end(rows, pick, now) })
}

// end ends the live tags that pick accepts, and reports whether there was one.
// Tags that cosign names after a digest end with the last other tag of the digest,
// as on Quay since 2026 (data/model/oci/tag.py).
func end(rows []Tag, pick func(*Tag) bool, now time.Time) bool {
	found := false
	for i := range rows {
		t := &rows[i]
		if !t.Live(now) || !pick(t) {
			continue
		}
		found, t.End = true, now
		if isCosignTag(t.Name) || slices.ContainsFunc(rows, func(other Tag) bool {
			return other.Digest == t.Digest && other.Live(now) && !isCosignTag(other.Name)
		}) {
			continue
		}
		for j := range rows {
			if rows[j].Live(now) && isCosignTagOf(rows[j].Name, t.Digest) {
				rows[j].End = now
			}
		}
	}
	return found
}

// cosignSuffixes are the suffixes of the tags that cosign names after a digest.
var cosignSuffixes = []string{".sig", ".att", ".sbom"}

// isCosignTag reports whether cosign names a tag like that after some digest.
func isCosignTag(name string) bool {
	rest, ok := strings.CutPrefix(name, "sha256-")
	hex, suffix, _ := strings.Cut(rest, ".")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" && slices.Contains(cosignSuffixes, "."+suffix)
}

// isCosignTagOf reports whether cosign names a tag like that after this digest.
func isCosignTagOf(name string, d digest.Digest) bool {
	prefix := strings.Replace(d.String(), ":", "-", 1)
	return slices.ContainsFunc(cosignSuffixes, func(suffix string) bool { return name == prefix+suffix })
}

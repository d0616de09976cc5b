// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What clients may push, unless an option says otherwise.
const (
	defaultPushLimit = 1 << 30 // bytes of blobs and manifests
	mostMade         = 100_000 // repositories that pushes make
)

// WithPushLimit sets how many bytes of blobs and manifests clients may push.
// They are kept in memory; a blob whose bytes the server has already counts
// once. A push beyond the limit is refused as on a Quay whose quota is used
// up: 403, DENIED. The default is 1 GiB.
func WithPushLimit(bytes int64) Option {
	return func(c *config) error {
		if bytes < 0 {
			return fmt.Errorf("quaytest: push limit %d is negative", bytes)
		}
		c.pushLimit = bytes
		return nil
	}
}

// pushes holds what clients pushed, beside a dataset that never changes.
// Readers take no lock: each repository that was pushed to has a current
// version, which a change replaces as a whole. As long as nothing was pushed,
// a reader only looks at one flag.
type pushes struct {
	limit int64
	used  atomic.Int64 // bytes
	some  atomic.Bool  // something was pushed

	mu   sync.Mutex // one change at a time
	made atomic.Int32

	ids       sync.Map // of repositories that were made: "namespace/name" to int32
	versions  sync.Map // of repositories that were pushed to: int32 to *version
	manifests sync.Map // content to *pushedManifest
	blobs     sync.Map // content to struct{}: which repository has which blob
	bytes     sync.Map // digest to *stored
}

// A version is a repository as it is at a time. It never changes.
type version struct {
	repository Repository
	index      *tagIndex
	maker      string      // account that made the repository by pushing, "" for the dataset's
	manifests  []*Manifest // that were pushed, oldest first
}

// A pushedManifest is a manifest with what the server reads in its text.
type pushedManifest struct {
	Manifest
	children indexChildren
}

// reserve takes n bytes of the limit, and reports whether there were as many.
func (p *pushes) reserve(n int64) bool {
	if p.used.Add(n) > p.limit {
		p.used.Add(-n)
		return false
	}
	return true
}

// release gives back bytes that reserve took.
func (p *pushes) release(n int64) { p.used.Add(-n) }

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

// manifest returns a manifest that was pushed, or nil.
func (p *pushes) manifest(key content) *pushedManifest {
	if !p.some.Load() {
		return nil
	}
	m, ok := p.manifests.Load(key)
	if !ok {
		return nil
	}
	return m.(*pushedManifest)
}

// stored returns the bytes of a blob that was pushed, or nil.
func (p *pushes) stored(digest string) *stored {
	if !p.some.Load() {
		return nil
	}
	s, ok := p.bytes.Load(digest)
	if !ok {
		return nil
	}
	return s.(*stored)
}

// at returns the repository at a position. It is short so that a listing does
// not call it.
func (s *state) at(id int32) *Repository {
	if !s.pushed.some.Load() {
		return &s.data.Repositories[id]
	}
	return s.current(id)
}

// current is at for when something was pushed.
func (s *state) current(id int32) *Repository {
	if v := s.pushed.version(id); v != nil {
		return &v.repository
	}
	return &s.data.Repositories[id]
}

// hasBlob reports whether a repository ("namespace/name") has a blob.
func (s *state) hasBlob(repository, digest string) bool {
	if s.blob(repository, digest) != nil {
		return true
	}
	if !s.pushed.some.Load() {
		return false
	}
	_, ok := s.pushed.blobs.Load(content{repository, digest})
	return ok
}

// children returns what an index names.
func (s *state) children(m *Manifest) indexChildren {
	if m == nil {
		return indexChildren{}
	}
	if c, ok := s.indexes[m]; ok {
		return c
	}
	if p := s.pushed.manifest(content{m.Repository, m.Digest}); p != nil {
		return p.children
	}
	return indexChildren{}
}

// stored returns the bytes of a blob by digest, or nil.
func (h *Handler) stored(digest string) *stored {
	if s := h.registry.store()[digest]; s != nil {
		return s
	}
	return h.st.pushed.stored(digest)
}

// manifestsOf returns all manifests of a repository: the dataset's, and then
// those that were pushed.
func (h *Handler) manifestsOf(repository string) []*Manifest {
	of := h.registry.holding()[repository]
	if id, ok := h.st.find(splitRepository(repository)); ok {
		if v := h.st.pushed.version(id); v != nil && len(v.manifests) > 0 {
			return slices.Concat(of, v.manifests)
		}
	}
	return of
}

// visibleMade returns the positions, from start on, of up to limit
// repositories that were made by pushing and that pick takes.
func (s *state) visibleMade(start int32, limit int, pick func(*version) bool) []int32 {
	var ids []int32
	base := int32(len(s.data.Repositories))
	for id := max(start, base); id < base+s.pushed.made.Load() && len(ids) < limit; id++ {
		if v := s.pushed.version(id); v != nil && pick(v) {
			ids = append(ids, id)
		}
	}
	return ids
}

// mayCreate reports whether a caller may make repositories in a namespace: an
// owner, or an account in a team of creators, with a token whose scopes allow
// it (doc/quay-api.md, "Corrections/Pushing").
func (s *state) mayCreate(c caller, namespace string) bool {
	n := s.namespaces[namespace]
	if n == nil || c.oauth && !c.has("repo:create") && !c.has("org:admin") {
		return false
	}
	return n.ownedBy(c.user) || slices.Contains(n.creators, c.user+c.robot)
}

// create makes a repository, private as Quay makes those that come by a push.
// Its maker gets the role admin. It reports false if there are too many.
func (s *state) create(namespace, name, maker string) bool {
	p := s.pushed
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := s.find(namespace, name); ok {
		return true
	}
	id := int64(len(s.data.Repositories)) + int64(p.made.Load())
	if p.made.Load() >= mostMade || id >= math.MaxInt32 {
		return false
	}
	p.some.Store(true)
	p.versions.Store(int32(id), &version{maker: maker, repository: Repository{Namespace: namespace, Name: name, State: "NORMAL",
		Permissions: []Permission{{User: maker, Role: "admin"}}}})
	p.ids.Store(namespace+"/"+name, int32(id))
	p.made.Add(1)
	return true
}

// change replaces a repository's version by one that edit has changed. Edit
// gets a copy, whose tags and manifests it may replace or append to; if it
// returns false, nothing changes.
func (s *state) change(namespace, name string, edit func(*version) bool) bool {
	p := s.pushed
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := s.find(namespace, name)
	if !ok {
		return false
	}
	next := version{repository: *s.at(id)}
	if v := p.version(id); v != nil {
		next = *v
	}
	next.repository.Tags = slices.Clone(next.repository.Tags)
	next.manifests = slices.Clip(next.manifests)
	if !edit(&next) {
		return false
	}
	next.index = newTagIndex(next.repository.Tags)
	p.some.Store(true)
	p.versions.Store(id, &next)
	return true
}

// addBlob notes that a repository has a blob.
func (s *state) addBlob(repository, digest string) {
	s.pushed.some.Store(true)
	s.pushed.blobs.Store(content{repository, digest}, struct{}{})
}

// tagged sets a tag to a manifest: the row that was alive ends, and a new one
// begins.
func (v *version) tagged(t Tag) {
	v.untagged(func(old *Tag) bool { return old.Name == t.Name && old.Digest != t.Digest }, t.Start)
	for i := range v.repository.Tags { // of the same digest: signatures of it stay
		if old := &v.repository.Tags[i]; old.Name == t.Name && old.aliveAt(t.Start) {
			old.End = t.Start
		}
	}
	v.repository.Tags = append(v.repository.Tags, t)
}

// cosignSuffixes are those of the tags that cosign names after a digest.
var cosignSuffixes = []string{".sig", ".att", ".sbom"}

// untagged ends the live tags that pick takes, and reports whether there was
// any. Signatures and such that are tagged after a digest end with the last
// tag of this digest, as on Quay since 2026 (data/model/oci/tag.py).
func (v *version) untagged(pick func(*Tag) bool, now time.Time) bool {
	found := false
	rows := v.repository.Tags
	for i := range rows {
		t := &rows[i]
		if !t.aliveAt(now) || !pick(t) {
			continue
		}
		found, t.End = true, now
		if isCosignTag(t.Name) || slices.ContainsFunc(rows, func(other Tag) bool {
			return other.Digest == t.Digest && other.aliveAt(now) && !isCosignTag(other.Name)
		}) {
			continue
		}
		for j := range rows {
			if rows[j].aliveAt(now) && isCosignTagOf(rows[j].Name, t.Digest) {
				rows[j].End = now
			}
		}
	}
	return found
}

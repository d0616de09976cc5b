// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"
	"strings"
	"sync"
)

// A batch is repositories whose token is asked for in one request. It has a
// bound: a Quay's token says each name twice, and has to fit into one line of
// a header, 8 kB (doc/quay-api.md section 5: 51 names of 20 characters, 33 of 50).
const (
	maxBatch     = 30
	maxBatchCost = 5000 // bytes of a token's payload that names take
	costPerName  = 90   // beside the name itself, twice
)

// batches sort the repositories that are expected, each into one batch, by
// namespace: credentials go by namespace. Safe for concurrent use.
type batches struct {
	mu     sync.Mutex
	member map[string]*batch // by repository
	open   map[string]*batch // by namespace: the last one, which may have room
	alone  map[string]bool   // repositories that are asked for alone
	public map[string]bool   // repositories that were read without a token
}

type batch struct {
	key   string
	names []string
	cost  int
}

func newBatches() *batches {
	return &batches{member: map[string]*batch{}, open: map[string]*batch{}, alone: map[string]bool{}, public: map[string]bool{}}
}

// add puts a repository into a batch.
func (s *batches) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member[name] != nil {
		return
	}
	namespace, _, _ := strings.Cut(name, "/")
	b, cost := s.open[namespace], 2*len(name)+costPerName
	if b == nil || len(b.names) == maxBatch || b.cost+cost > maxBatchCost {
		b = &batch{key: "batch of " + name}
		s.open[namespace] = b
	}
	b.names = append(b.names, name)
	b.cost += cost
	s.member[name] = b
}

// of returns with which others a repository's token is asked for: those of its
// batch that are not known to be public and have no token. Empty: alone.
func (s *batches) of(name string, at *tokens) []string {
	s.mu.Lock()
	b := s.member[name]
	if b == nil || s.alone[name] || s.public[name] {
		s.mu.Unlock()
		return nil
	}
	names := slices.DeleteFunc(slices.Clone(b.names), func(other string) bool {
		return other == name || s.alone[other] || s.public[other]
	})
	s.mu.Unlock()
	return slices.DeleteFunc(names, func(other string) bool { return at.find(need{repository: other}) != nil })
}

// key names what only one at a time asks a token for.
func (s *batches) key(n need) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.member[n.repository]; b != nil && !n.push && !s.alone[n.repository] {
		return b.key
	}
	return strings.Join(n.scopes(), " ")
}

func (s *batches) setAlone(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone[name] = true
}

func (s *batches) setPublic(name string, public bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if public {
		s.public[name] = true
	} else {
		delete(s.public, name)
	}
}

func (s *batches) isPublic(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.public[name]
}

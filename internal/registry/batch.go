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
	costPerName  = 90   // bytes, beside the name itself, twice
)

// A batch does not change, but that names are added to it.
type batch struct {
	names []string
	cost  int
}

// batches sort the repositories that are expected, each into one batch, by
// namespace: credentials go by namespace. Safe for concurrent use.
type batches struct {
	mu     sync.Mutex
	member map[string]*batch // by repository: where it is now
	open   map[string]*batch // by namespace: the last one, which may have room
	public map[string]bool   // repositories that were read without a token
}

func newBatches() *batches {
	return &batches{member: map[string]*batch{}, open: map[string]*batch{}, public: map[string]bool{}}
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
		b = &batch{}
		s.open[namespace] = b
	}
	b.names = append(b.names, name)
	b.cost += cost
	s.member[name] = b
}

// of returns the batch of a repository, nil for one that is not expected, and
// with which others a token for it is asked for: those of the batch that are not
// known to be public and have no token.
func (s *batches) of(name string, at *tokens) (b *batch, others []string) {
	s.mu.Lock()
	if b = s.member[name]; b != nil && !s.public[name] {
		others = slices.DeleteFunc(slices.Clone(b.names), func(other string) bool {
			return other == name || s.public[other] || s.member[other] != b
		})
	}
	s.mu.Unlock()
	return b, slices.DeleteFunc(others, func(other string) bool { return at.find(scope{repository: other}) != nil })
}

// has tells whether a repository is still in a batch.
func (s *batches) has(b *batch, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member[name] == b
}

// several tells whether a batch is one of more than one. A nil batch is none.
func (s *batches) several(b *batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b != nil && len(b.names) > 1
}

// split makes two of a batch, for which no token could be had: there are too
// many in it for the server, or one that it does not like.
func (s *batches) split(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(b)
	names := slices.DeleteFunc(slices.Clone(b.names), func(name string) bool { return s.member[name] != b })
	for _, half := range [][]string{names[:len(names)/2], names[len(names)/2:]} {
		part := &batch{names: half}
		for _, name := range half {
			s.member[name] = part
		}
	}
}

// leave takes a repository out of its batch, whose token is not good for it.
func (s *batches) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.member[name] = &batch{names: []string{name}}
}

// close keeps a batch from growing.
func (s *batches) close(b *batch) {
	for namespace, open := range s.open {
		if open == b {
			delete(s.open, namespace)
		}
	}
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"
	"strings"
	"sync"
)

// The size of a batch is bounded: a Quay's token holds each name twice, and must fit
// into one header line of 8 kB (doc/quay-api.md section 5: 51 names of 20
// characters, 33 of 50).
const (
	maxBatch     = 30   // names
	maxBatchCost = 5000 // bytes of the token's payload
	costPerName  = 90   // bytes of the payload for each name, besides the name itself twice
)

// A batch is a list of repositories whose token is requested together. Names are only
// ever added to a batch.
type batch struct {
	names []string
	cost  int
}

// batches puts each expected repository into one batch, by namespace, because
// credentials usually belong to a namespace. Safe for concurrent use.
type batches struct {
	mu     sync.Mutex
	member map[string]*batch // the current batch of a repository
	open   map[string]*batch // by namespace: the batch that may have room
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

// of returns the batch of a repository, or nil. others are the repositories of the batch
// that its token request should include: those without a token that are not known to be
// public.
func (s *batches) of(name string, cached *tokens) (b *batch, others []string) {
	s.mu.Lock()
	if b = s.member[name]; b != nil && !s.public[name] {
		others = slices.DeleteFunc(slices.Clone(b.names), func(other string) bool {
			return other == name || s.public[other] || s.member[other] != b
		})
	}
	s.mu.Unlock()
	return b, slices.DeleteFunc(others, func(other string) bool { return cached.find(scope{repository: other}) != nil })
}

// has reports whether a repository is still in a batch.
func (s *batches) has(b *batch, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member[name] == b
}

// several reports whether a batch has more than one repository. A nil batch has none.
func (s *batches) several(b *batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b != nil && len(b.names) > 1
}

// split replaces a batch by two halves after its token request was refused. The request
// was too long for the server, or the server refused one of the names.
func (s *batches) split(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for namespace, open := range s.open {
		if open == b {
			delete(s.open, namespace)
		}
	}
	names := slices.DeleteFunc(slices.Clone(b.names), func(name string) bool { return s.member[name] != b })
	for _, half := range [][]string{names[:len(names)/2], names[len(names)/2:]} {
		part := &batch{names: half}
		for _, name := range half {
			s.member[name] = part
		}
	}
}

// leave puts a repository into a batch of its own.
func (s *batches) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.member[name] = &batch{names: []string{name}}
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

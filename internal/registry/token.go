// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"slices"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// A token is what stands behind the word Bearer or Basic in a request. It does
// not change.
type token struct {
	value   string
	scheme  auth.Scheme
	expires time.Time // zero: not known; then the registry's 401 tells
	grants  []scope   // what it is good for
	read    bool      // grants were read in the token, and are not just what was asked for
	claims  claims    // if read

	anonymous bool   // bought without credentials
	withheld  string // the token server that was not sent the credentials, or ""
	lookup    error  // why there are no credentials, if the looking failed
	quay      bool   // a Quay has made it
}

// newToken reads a token that was asked for a need and for pulling from a batch.
func newToken(value string, scheme auth.Scheme, want scope, batch []string) *token {
	t := &token{value: value, scheme: scheme}
	if scheme == auth.SchemeBasic { // a user and a password: good for whatever they are
		t.grants = []scope{{repository: want.repository}, {repository: want.repository, push: true}}
		return t
	}
	asked := []scope{want}
	for _, name := range batch {
		if name != want.repository || want.push {
			asked = append(asked, scope{repository: name})
		}
	}
	c, ok := readClaims(value)
	if !ok {
		t.grants = asked
		return t
	}
	t.read, t.claims = true, c
	t.expires = c.deadline(time.Now())
	for _, one := range asked {
		if c.grants(one) {
			t.grants = append(t.grants, one)
		}
	}
	return t
}

// denies tells whether the token says that it does not grant a need.
func (t *token) denies(want scope) bool { return t.read && !slices.Contains(t.grants, want) }

// usable tells whether the token has not lapsed.
func (t *token) usable(now time.Time) bool { return t.expires.IsZero() || now.Before(t.expires) }

// tokens are the tokens at hand. Safe for concurrent use.
type tokens struct {
	mu    sync.Mutex
	of    map[scope]*token
	locks map[any]*gate
}

// A gate lets one through at a time, and is there while it is used.
type gate struct {
	turn  chan struct{} // holds one
	users int
}

func newTokens() *tokens { return &tokens{of: map[scope]*token{}, locks: map[any]*gate{}} }

// find returns a token for a need, or nil. The right to push holds that to pull,
// and a password is good for mounting from anywhere.
func (s *tokens) find(want scope) *token {
	s.mu.Lock()
	defer s.mu.Unlock()
	wider := scope{repository: want.repository, push: true}
	for _, one := range []scope{want, wider} {
		t := s.of[one]
		if t == nil || one != want && want.from != "" && t.scheme != auth.SchemeBasic {
			continue
		}
		if t.usable(time.Now()) {
			return t
		}
		delete(s.of, one)
	}
	return nil
}

// add keeps a token for all that it grants, and for what it was asked for: the
// registry's answer tells whether it is good for that.
func (s *tokens) add(t *token, want scope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range t.grants {
		s.of[one] = t
	}
	if want.from == "" || t.scheme != auth.SchemeBasic {
		s.of[want] = t
	}
}

// drop forgets a token that the registry does not take any more.
func (s *tokens) drop(t *token) {
	if t == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, one := range s.of {
		if one == t {
			delete(s.of, n)
		}
	}
}

// lock waits for its turn to get a token of a key, or for the end of the context.
func (s *tokens) lock(ctx context.Context, key any) (unlock func(), err error) {
	s.mu.Lock()
	g := s.locks[key]
	if g == nil {
		g = &gate{turn: make(chan struct{}, 1)}
		s.locks[key] = g
	}
	g.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if g.users--; g.users == 0 {
			delete(s.locks, key)
		}
	}
	select {
	case g.turn <- struct{}{}:
		return func() { <-g.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

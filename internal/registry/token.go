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

// A token is the value of an Authorization header after Bearer or Basic. Immutable.
type token struct {
	value   string
	scheme  auth.Scheme
	expires time.Time // zero: unknown; the registry answers 401 once it has expired
	grants  []scope
	read    bool // grants come from the token's own claims, not from the request
	claims  claims

	anonymous bool   // requested without credentials
	withheld  string // the token server that was not sent the credentials, or ""
	lookup    error  // why the credentials could not be looked up, or nil
	quay      bool   // a Quay issued it
}

// newToken returns a token that was requested for a scope and for pulling from the
// repositories of a batch.
func newToken(value string, scheme auth.Scheme, want scope, batch []string) *token {
	t := &token{value: value, scheme: scheme}
	if scheme == auth.SchemeBasic {
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

// denies reports whether the token lists its access and omits a scope.
func (t *token) denies(want scope) bool { return t.read && !slices.Contains(t.grants, want) }

// isValid reports whether the token has not expired.
func (t *token) isValid(now time.Time) bool { return t.expires.IsZero() || now.Before(t.expires) }

// tokens caches tokens. Safe for concurrent use.
type tokens struct {
	mu    sync.Mutex
	of    map[scope]*token
	locks map[any]*keyLock
}

// A keyLock is the lock of one key. It exists while a goroutine holds it or waits for it.
type keyLock struct {
	held  chan struct{} // of capacity one: full while the lock is held
	users int
}

func newTokens() *tokens { return &tokens{of: map[scope]*token{}, locks: map[any]*keyLock{}} }

// find returns a token for a scope, or nil. A push token also allows to pull, and a
// password allows to mount from any repository.
func (s *tokens) find(want scope) *token {
	s.mu.Lock()
	defer s.mu.Unlock()
	wider := scope{repository: want.repository, push: true}
	for _, one := range []scope{want, wider} {
		t := s.of[one]
		if t == nil || one != want && want.from != "" && t.scheme != auth.SchemeBasic {
			continue
		}
		if t.isValid(time.Now()) {
			return t
		}
		delete(s.of, one)
	}
	return nil
}

// add caches a token for every scope that it grants, and for the scope that was requested:
// a registry may accept a token that omits the scope.
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

// drop removes a token that the registry no longer accepts.
func (s *tokens) drop(t *token) {
	if t == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for want, one := range s.of {
		if one == t {
			delete(s.of, want)
		}
	}
}

// lock waits for the lock of a key, or for the end of the context.
func (s *tokens) lock(ctx context.Context, key any) (unlock func(), err error) {
	s.mu.Lock()
	l := s.locks[key]
	if l == nil {
		l = &keyLock{held: make(chan struct{}, 1)}
		s.locks[key] = l
	}
	l.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(s.locks, key)
		}
	}
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/quayside/quayside/quay"
)

// maxFruitless bounds the requests with the token spent in a row on public
// repositories that refuse an anonymous caller and turn out to be unreadable
// with the token too. It counts only on a server that is known to admit
// anonymous callers: there such a repository is gone, and the token is no help.
const maxFruitless = 16

// A policy decides which requests about public repositories carry the token.
//
// What a 401 to an anonymous request means is learned from the next answer
// (doc/quay-api.md section 3):
//
//   - The server says "Anonymous access is not allowed", and the token can
//     read the repository: FEATURE_ANONYMOUS_ACCESS is off. From then on
//     everything carries the token.
//   - The server says anything else, and the token can read the repository:
//     it has just become private, or a server in front of Quay was in the
//     way. When this happens to two repositories and no anonymous request was
//     ever admitted, the server wants a token after all.
//   - The token cannot read it either: it is gone. Nothing is learned.
//
// The first request goes alone. Otherwise every job at work would ask without
// the token before the first could learn that the server wants it.
type policy struct {
	open     func()        // lets everyone through; may be called again
	opened   chan struct{} // closed by open
	mu       sync.Mutex
	led      bool // someone is, or was, the first
	admitted bool // an anonymous request about a repository was answered
	refused  int  // repositories only the token could read, until admitted
	wanted   bool // the server wants the token with everything
	spent    int  // fruitless requests with the token, in a row

	// lately is the last unlisted repository that only the token could
	// read, so that a second tag of it is not asked for twice.
	lately string
}

func newPolicy() *policy {
	opened := make(chan struct{})
	return &policy{opened: opened, open: sync.OnceFunc(func() { close(opened) })}
}

// ask calls f with the client that fits repo, and once more with the token
// when an anonymous request was answered 401. It tells whether the answer was
// given to an anonymous caller. f must call answered when it has the first
// part of an answer and goes on to hand it out; a return without an error, or
// with quay.ErrTagNotFound, counts as an answer too.
func (q *QuayCatalog) ask(ctx context.Context, repo Repository, f func(c *quay.Client, answered func()) error) (anonymous bool, err error) {
	if !q.client.HasToken() {
		return true, f(q.anonymous, func() {})
	}
	if !repo.Public && !repo.Unlisted {
		return false, f(q.client, func() {})
	}
	p := q.policy
	if p.lead() {
		defer p.open()
	} else if err := p.wait(ctx); err != nil {
		return false, err
	}
	if p.needsToken(repo) {
		return false, f(q.client, func() {})
	}

	refusal := f(q.anonymous, p.admit)
	if refusal == nil || errors.Is(refusal, quay.ErrTagNotFound) {
		p.admit()
		return true, refusal
	}
	if !errors.Is(refusal, quay.ErrUnauthenticated) || !p.spend() {
		return true, refusal
	}

	learn := sync.OnceFunc(func() { p.learn(repo, refusal) })
	err = f(q.client, learn)
	if err == nil || errors.Is(err, quay.ErrTagNotFound) {
		learn()
	}
	return false, err
}

// lead tells whether the caller goes first.
func (p *policy) lead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.led
	p.led = true
	return first
}

// wait returns when the first request was answered, or with ctx's error.
func (p *policy) wait(ctx context.Context) error {
	select {
	case <-p.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// needsToken tells whether it is already known that only the token will do.
func (p *policy) needsToken(repo Repository) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted || repo.Unlisted && p.lately == repoName(repo).String()
}

// admit notes that the server answered an anonymous request.
func (p *policy) admit() {
	p.mu.Lock()
	p.admitted = true
	p.mu.Unlock()
	p.open()
}

// spend tells whether a refused request may be repeated with the token.
func (p *policy) spend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admitted && p.spent >= maxFruitless {
		return false
	}
	p.spent++
	return true
}

// learn notes that the token could read repo, which had answered refusal to an
// anonymous caller.
func (p *policy) learn(repo Repository, refusal error) {
	p.mu.Lock()
	p.spent = 0
	switch {
	case closedToAnonymous(refusal):
		p.wanted = true
	case repo.Unlisted:
		p.lately = repoName(repo).String() // private, as far as anyone said
	case !p.admitted:
		p.refused++
		p.wanted = p.refused >= 2
	}
	p.mu.Unlock()
	p.open()
}

// closedToAnonymous tells whether a 401 says that the server admits no
// anonymous caller at all, rather than not to this repository.
func closedToAnonymous(err error) bool {
	e, ok := errors.AsType[*quay.Error](err)
	return ok && strings.Contains(strings.ToLower(e.Message), "anonymous access")
}

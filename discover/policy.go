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

// maxFruitless limits how many requests in a row are repeated with the token and
// refused again. It applies only if the server is known to admit anonymous callers:
// then a public repository that answers 401 is gone, and the token does not help.
const maxFruitless = 16

// A policy decides which requests about public repositories carry the token.
//
// After a 401 to an anonymous request, the answer to the same request with the token
// shows the reason (doc/quay-api.md section 3):
//
//   - The message was "Anonymous access is not allowed", and the token can read the
//     repository: FEATURE_ANONYMOUS_ACCESS is off. All later requests carry the
//     token.
//   - The message was another, and the token can read the repository: it has just
//     become private, or a proxy refused the request. If this happens to two
//     repositories before any anonymous request is admitted, the server wants the
//     token with every request.
//   - The token cannot read the repository either: it is gone.
//
// The first request is sent alone. Otherwise all goroutines would send a request
// without the token before the first answer shows that the server wants it.
type policy struct {
	open     func()        // lets all requests through; may be called again
	opened   chan struct{} // closed by open
	mu       sync.Mutex
	led      bool // the first request was sent
	admitted bool // the server answered an anonymous request about a repository
	refused  int  // repositories that only the token could read, until admitted
	wanted   bool // the server wants the token with every request
	spent    int  // fruitless requests with the token, in a row

	// private is the last unlisted repository that only the token could read, so
	// that the next request about it carries the token at once.
	private string
}

func newPolicy() *policy {
	opened := make(chan struct{})
	return &policy{opened: opened, open: sync.OnceFunc(func() { close(opened) })}
}

// ask calls send with the client to use for repo, and again with the token after a 401
// to an anonymous request. It reports whether an anonymous caller got the answer.
// send calls answered when it has the first part of an answer and goes on to yield
// it. A return without an error, or with quay.ErrTagNotFound, is also an answer.
func (f *Finder) ask(ctx context.Context, repo candidate, send func(c *quay.Client, answered func()) error) (anonymous bool, err error) {
	if !f.client.HasToken() {
		return true, send(f.anonymous, func() {})
	}
	if !repo.Public && !repo.unlisted {
		return false, send(f.client, func() {})
	}
	p := f.policy
	if p.lead() {
		defer p.open()
	} else if err := p.wait(ctx); err != nil {
		return false, err
	}
	if p.needsToken(repo) {
		return false, send(f.client, func() {})
	}

	refusal := send(f.anonymous, p.admit)
	if refusal == nil || errors.Is(refusal, quay.ErrTagNotFound) {
		p.admit()
		return true, refusal
	}
	if !errors.Is(refusal, quay.ErrUnauthenticated) || !p.spend() {
		return true, refusal
	}

	learn := sync.OnceFunc(func() { p.learn(repo, refusal) })
	err = send(f.client, learn)
	if err == nil || errors.Is(err, quay.ErrTagNotFound) {
		learn()
	}
	return false, err
}

// lead reports whether the caller sends the first request.
func (p *policy) lead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.led
	p.led = true
	return first
}

// wait returns after the answer to the first request, or with the error of ctx.
func (p *policy) wait(ctx context.Context) error {
	select {
	case <-p.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// needsToken reports whether a request about repo must carry the token.
func (p *policy) needsToken(repo candidate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted || repo.unlisted && p.private == repo.RepoName.String()
}

// admit records that the server answered an anonymous request.
func (p *policy) admit() {
	p.mu.Lock()
	p.admitted = true
	p.mu.Unlock()
	p.open()
}

// spend reports whether a refused request may be repeated with the token.
func (p *policy) spend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admitted && p.spent >= maxFruitless {
		return false
	}
	p.spent++
	return true
}

// learn records that the token could read repo, about which an anonymous caller got
// refusal.
func (p *policy) learn(repo candidate, refusal error) {
	p.mu.Lock()
	p.spent = 0
	switch {
	case closedToAnonymous(refusal):
		p.wanted = true
	case repo.unlisted:
		p.private = repo.RepoName.String()
	case !p.admitted:
		p.refused++
		p.wanted = p.refused >= 2
	}
	p.mu.Unlock()
	p.open()
}

// closedToAnonymous reports whether a 401 says that the server admits no anonymous
// caller at all.
func closedToAnonymous(err error) bool {
	e, ok := errors.AsType[*quay.Error](err)
	return ok && strings.Contains(strings.ToLower(e.Message), "anonymous access")
}

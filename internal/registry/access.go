// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// A scope is what rights a request has to have: to pull from a repository, or to
// push to it, and then to mount from another.
type scope struct {
	repository string
	push       bool
	from       string
}

// scopes are how a token for it is asked for.
func (s scope) scopes() []string {
	if !s.push {
		return []string{pullScope(s.repository)}
	}
	scopes := []string{auth.ScopeRepository(s.repository, auth.ActionPull, auth.ActionPush)}
	if s.from != "" {
		scopes = append(scopes, pullScope(s.from))
	}
	return scopes
}

func pullScope(repository string) string { return auth.ScopeRepository(repository, auth.ActionPull) }

// authorized sends a request that is for the registry itself: without a
// credential at first, unless a token for it is at hand, and again with a token
// or password after a 401. A 401 that is returned is the registry's last word.
//
// A token is asked for together with others of the same batch. When the server
// will not have that, half of them is tried; when the token is not good for
// this repository after all, it is asked for alone.
func (r *Registry) authorized(req *http.Request, want scope) (*reply, error) {
	for {
		a := &attempt{registry: r, scope: want}
		if !want.push {
			a.batch, a.others = r.batches.of(want.repository, r.tokens)
		}
		resp, err := a.send(req)
		switch {
		case a.moved:
			if req, err = renew(req); err != nil {
				return nil, err
			}
		case err == nil && resp.StatusCode == http.StatusUnauthorized && a.isAnothers():
			closeBody(resp)
			r.batches.leave(want.repository)
			if req, err = renew(req); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		default:
			if a.used == nil && !want.push && resp.StatusCode < 400 {
				r.batches.setPublic(want.repository, true)
			}
			return a.reply(resp)
		}
	}
}

// An attempt is one request and its way to a token. Used by one goroutine.
type attempt struct {
	registry *Registry
	scope    scope
	batch    *batch   // of the repository; nil for pushing, and for one that is not expected
	others   []string // repositories to pull from that the token is asked for, too
	used     *token   // what the last answer was given to
	fetched  bool     // used was asked for by this attempt
	moved    bool     // the repository is in another batch by now: to be made again
	unmet    error    // why no challenge of the last 401 can be met
	dead     []string // realms that did not answer
}

// maxTries is how often a request is sent, at most: without a token or with one
// at hand, with another that was at hand, and with a new one.
const maxTries = 3

// send sends the request, and after a 401 again with a token or a password.
func (a *attempt) send(req *http.Request) (*http.Response, error) {
	r, next := a.registry, req
	if a.scope.push || !r.batches.isPublic(a.scope.repository) {
		a.used = r.tokens.find(a.scope)
	}
	for try := 1; ; try++ {
		out := next.Clone(req.Context())
		if a.used != nil {
			r.batches.setPublic(a.scope.repository, false) // or it would not be asked for
			out.Header.Set("Authorization", a.used.scheme.String()+" "+a.used.value)
		}
		resp, err := r.sendAnonymous(out)
		if err != nil || resp.StatusCode != http.StatusUnauthorized || a.fetched || try == maxTries {
			return resp, err
		}
		w, err := a.choose(resp)
		if err == nil && w == nil {
			return resp, nil
		}
		closeBody(resp)
		for err == nil {
			if err = a.authorize(req.Context(), w); !a.isDead(req.Context(), w, err) {
				break
			}
			other, none := a.choose(resp)
			if other == nil || none != nil {
				break
			}
			w, err = other, nil
		}
		if err != nil {
			return nil, err
		}
		if next, err = renew(req); err != nil {
			return nil, err
		}
	}
}

// isDead reports whether a way to a token failed because its realm gave no answer,
// and records that: another challenge may be met.
func (a *attempt) isDead(ctx context.Context, w *way, err error) bool {
	e, is := errors.AsType[*Error](err)
	if !is || ctx.Err() != nil || w.scheme != auth.SchemeBearer || e.Status != 0 || errors.Is(err, ErrMalformed) {
		return false
	}
	a.dead = append(a.dead, w.realm.String())
	a.registry.silent.add(w.realm)
	return true
}

// isAnothers tells whether a token that turned out not to be good for the
// repository may have been bought with another's credentials, or did not say
// what it is good for. What says itself that it does not grant the repository,
// for its own credentials, is no better alone, and neither is its own password.
func (a *attempt) isAnothers() bool {
	if a.used == nil || a.fetched && (a.used.denies(a.scope) || a.used.scheme == auth.SchemeBasic) {
		return false
	}
	return a.registry.batches.several(a.batch)
}

// errMoved ends an attempt that is to be made again.
var errMoved = errors.New("another batch")

// authorize finds the token to use next: one that is at hand and was not tried,
// or a new one, which is asked for once by all that need the same.
func (a *attempt) authorize(ctx context.Context, w *way) error {
	r := a.registry
	r.batches.setPublic(a.scope.repository, false)
	var key any = a.scope
	if a.batch != nil {
		key = a.batch
	}
	unlock, err := r.tokens.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	if t := r.tokens.find(a.scope); t != nil && t != a.used && t.scheme == w.scheme {
		a.used = t
		return nil
	}
	if a.batch != nil && !r.batches.has(a.batch, a.scope.repository) {
		a.moved = true
		return errMoved
	}
	r.tokens.drop(a.used)
	t, refused, err := a.buy(ctx, w)
	if err != nil {
		if refused && len(a.others) > 0 {
			r.log.DebugContext(ctx, "no token for so many", "repositories", len(a.others)+1)
			r.batches.split(a.batch)
			a.moved = true
		}
		return err
	}
	r.tokens.add(t, a.scope)
	a.used, a.fetched = t, true
	r.log.DebugContext(ctx, "got a token", "scheme", w.scheme.String(), "scopes", len(t.grants))
	return nil
}

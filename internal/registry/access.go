// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/quayside/quayside/internal/transport"
)

// A scope is the access that a request needs: to pull from a repository, or to push to
// it. A mount also needs to pull from another repository.
type scope struct {
	repository string
	push       bool
	from       string // repository that a mount reads; "" if there is no mount
}

// scopes returns the scopes of a token request (distribution's token specification).
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

// authorized sends a request to the registry itself. Without a cached token the first
// attempt is anonymous. After a 401 the request is sent again with a token or a
// password. If authorized returns a 401, no other credential can be tried.
//
// One token request covers all repositories of a batch. If the token server refuses
// the request, the batch is split. If the registry refuses the token, the repository gets a
// token of its own.
func (r *Registry) authorized(req *http.Request, want scope) (*reply, error) {
	for {
		a := &attempt{registry: r, scope: want}
		if !want.push {
			a.batch, a.others = r.batches.of(want.repository, r.tokens)
		}
		resp, err := a.send(req)
		switch {
		case errors.Is(err, errMoved):
		case err == nil && resp.StatusCode == http.StatusUnauthorized && a.mayBeForAnother():
			closeBody(resp)
			r.batches.leave(want.repository)
		case err != nil:
			return nil, err
		default:
			if a.used == nil && !want.push && resp.StatusCode < 400 {
				r.batches.setPublic(want.repository, true)
			}
			return a.reply(resp)
		}
		if req, err = transport.Resend(req); err != nil {
			return nil, err
		}
	}
}

// An attempt sends one request until it is authorized. Used by one goroutine.
type attempt struct {
	registry *Registry
	scope    scope
	batch    *batch   // of the repository; nil if it pushes, or is in no batch
	others   []string // repositories of the batch that the token is also requested for
	used     *token   // sent with the last request; nil: none
	fetched  bool     // this attempt requested used
	unmet    error    // why no challenge of the last 401 can be answered
	dead     []string // realms that did not answer
}

// maxTries is how often an attempt sends the request at most: anonymously or with a
// cached token, with another cached token, and with a new token.
const maxTries = 3

// send sends the request. After a 401 it sends the request again with a token or a
// password.
func (a *attempt) send(req *http.Request) (*http.Response, error) {
	r, next := a.registry, req
	if a.scope.push || !r.batches.isPublic(a.scope.repository) {
		a.used = r.tokens.find(a.scope)
	}
	for try := 1; ; try++ {
		out := next.Clone(req.Context())
		if a.used != nil {
			r.batches.setPublic(a.scope.repository, false) // a public repository would not have needed the token
			out.Header.Set("Authorization", a.used.scheme.String()+" "+a.used.value)
		}
		resp, err := r.sendAnonymous(out)
		if err != nil || resp.StatusCode != http.StatusUnauthorized || a.fetched || try == maxTries {
			return resp, err
		}
		answered, err := a.answer(req.Context(), resp)
		if !answered && err == nil {
			return resp, nil
		}
		closeBody(resp)
		if err == nil {
			next, err = transport.Resend(req)
		}
		if err != nil {
			return nil, err
		}
	}
}

// answer gets the credential for the first challenge of a 401 that quayside can answer.
// It returns false if it can answer no challenge. If no realm responds, the error is the
// last realm's.
func (a *attempt) answer(ctx context.Context, resp *http.Response) (answered bool, err error) {
	for {
		w, unmet := a.choose(resp)
		if w == nil || unmet != nil {
			return false, cmp.Or(err, unmet)
		}
		if err = a.authorize(ctx, w); !a.isDead(ctx, w, err) {
			return err == nil, err
		}
	}
}

// isDead reports whether a challenge could not be answered because its realm did not
// respond, and records the realm. Another challenge may still be answered.
func (a *attempt) isDead(ctx context.Context, w *authMethod, err error) bool {
	e, is := errors.AsType[*Error](err)
	if !is || ctx.Err() != nil || w.scheme != auth.SchemeBearer || e.Status != 0 || errors.Is(err, ErrMalformed) {
		return false
	}
	a.dead = append(a.dead, w.realm.String())
	a.registry.silent.add(w.realm)
	return true
}

// mayBeForAnother reports whether a token that the registry refused may have been
// requested with the credentials of another repository of the batch. A new token that
// lists its access and omits this repository, or a password, would not improve if it
// were requested alone.
func (a *attempt) mayBeForAnother() bool {
	if a.used == nil || a.fetched && (a.used.denies(a.scope) || a.used.scheme == auth.SchemeBasic) {
		return false
	}
	return a.registry.batches.several(a.batch)
}

// errMoved ends an attempt whose repository has moved to another batch. The caller
// starts a new attempt.
var errMoved = errors.New("another batch")

// authorize chooses the token to send next: a cached token that was not tried, or a new
// token. Attempts of one batch request tokens one after another, so that the second
// attempt finds the first one's token.
func (a *attempt) authorize(ctx context.Context, w *authMethod) error {
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
		return errMoved
	}
	r.tokens.drop(a.used)
	t, refused, err := a.fetchToken(ctx, w)
	if err != nil {
		if refused && len(a.others) > 0 {
			r.log.DebugContext(ctx, "token request refused; splitting the batch", "repositories", len(a.others)+1)
			r.batches.split(a.batch)
			return errMoved
		}
		return err
	}
	r.tokens.add(t, a.scope)
	a.used, a.fetched = t, true
	r.log.DebugContext(ctx, "got a token", "scheme", w.scheme.String(), "scopes", len(t.grants))
	return nil
}

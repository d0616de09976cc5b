// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// A need is what rights a request has to have: to pull from a repository, or to
// push to it, and then to mount from another.
type need struct {
	repository string
	push       bool
	from       string
}

// scopes are how a token for it is asked for.
func (n need) scopes() []string {
	if !n.push {
		return []string{pullScope(n.repository)}
	}
	scopes := []string{auth.ScopeRepository(n.repository, auth.ActionPull, auth.ActionPush)}
	if n.from != "" {
		scopes = append(scopes, pullScope(n.from))
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
func (r *Registry) authorized(req *http.Request, n need) (*http.Response, error) {
	for {
		a := &attempt{registry: r, need: n}
		if !n.push {
			a.batch, a.others = r.batches.of(n.repository, r.tokens)
		}
		resp, err := a.send(req)
		switch {
		case a.moved:
		case err == nil && resp.StatusCode == http.StatusUnauthorized && a.isAnothers():
			closeBody(resp)
			r.batches.leave(n.repository)
		default:
			if err == nil && a.used == nil && !n.push && resp.StatusCode < 400 {
				r.batches.setPublic(n.repository, true)
			}
			return resp, err
		}
	}
}

// An attempt is one request and its way to a token: it is oras' cache of
// tokens, for that request. Used by one goroutine.
type attempt struct {
	registry *Registry
	need     need
	batch    *batch   // of the repository; nil for pushing, and for one that is not expected
	others   []string // repositories to pull from that the token is asked for, too
	used     *token   // what the last answer was given to
	fetched  bool     // used was asked for by this attempt
	moved    bool     // the repository is in another batch by now: to be made again
}

// send sends the request by oras' client, which knows what to do after a 401.
func (a *attempt) send(req *http.Request) (*http.Response, error) {
	r := a.registry
	client := &auth.Client{
		Client: r.client,
		Cache:  a,
		Credential: func(ctx context.Context, _ string) (auth.Credential, error) {
			c, err := r.credential(ctx, a.need.repository)
			return c.oras(), err
		},
		ClientID: r.userAgent,
		Header:   http.Header{"User-Agent": {r.userAgent}}, // of requests for a token, too
		// BlockedRealmPrefixes is left at its default: a registry elsewhere
		// cannot send credentials to this machine or to a cloud's metadata.
	}
	scopes := a.need.scopes()
	for _, name := range a.others {
		scopes = append(scopes, pullScope(name))
	}
	resp, err := client.Do(req.WithContext(auth.AppendScopesForHost(req.Context(), req.URL.Host, scopes...)))
	var of *url.Error
	if cause := errors.Unwrap(err); cause != nil && !errors.As(err, &of) {
		err = cause // oras puts the whole address before it, such as that of an upload session
	}
	return resp, err
}

// isAnothers tells whether a token that turned out not to be good for the
// repository may have been bought with another's credentials, or did not say
// what it is good for. What says itself that it does not grant the repository,
// for its own credentials, is no better alone, and neither is its own password.
func (a *attempt) isAnothers() bool {
	if a.used == nil || a.fetched && (a.used.denies(a.need) || a.used.scheme == auth.SchemeBasic) {
		return false
	}
	return a.registry.batches.several(a.batch)
}

// errMoved ends an attempt that is to be made again.
var errMoved = errors.New("another batch")

// GetScheme implements auth.Cache: how to authenticate, if that is known.
func (a *attempt) GetScheme(context.Context, string) (auth.Scheme, error) {
	if a.registry.batches.isPublic(a.need.repository) && !a.need.push {
		return auth.SchemeUnknown, errdef.ErrNotFound
	}
	if t := a.registry.tokens.find(a.need); t != nil {
		return t.scheme, nil
	}
	return auth.SchemeUnknown, errdef.ErrNotFound
}

// GetToken implements auth.Cache: a token that is at hand and was not tried.
// The key, of scopes, is oras' and is not needed: the need says it all.
func (a *attempt) GetToken(_ context.Context, _ string, scheme auth.Scheme, _ string) (string, error) {
	t := a.registry.tokens.find(a.need)
	if t == nil || t == a.used || t.scheme != scheme {
		return "", errdef.ErrNotFound
	}
	a.registry.batches.setPublic(a.need.repository, false) // or it would not be asked for
	a.used = t
	return t.value, nil
}

// Set implements auth.Cache: it gets a token by fetch, once for all that need
// the same one.
func (a *attempt) Set(ctx context.Context, _ string, scheme auth.Scheme, _ string, fetch func(context.Context) (string, error)) (string, error) {
	r := a.registry
	r.batches.setPublic(a.need.repository, false)
	var key any = a.need
	if a.batch != nil {
		key = a.batch
	}
	unlock, err := r.tokens.lock(ctx, key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if t := r.tokens.find(a.need); t != nil && t != a.used && t.scheme == scheme {
		a.used = t
		return t.value, nil
	}
	if a.batch != nil && !r.batches.has(a.batch, a.need.repository) {
		a.moved = true
		return "", errMoved
	}
	r.tokens.drop(a.used)
	value, err := fetch(ctx)
	if err != nil {
		err, refused := a.unavailable(ctx, err)
		if refused && len(a.others) > 0 {
			r.log.DebugContext(ctx, "no token for so many", "repositories", len(a.others)+1)
			r.batches.split(a.batch)
			a.moved = true
		}
		return "", err
	}
	r.secrets.add(value)
	t := newToken(value, scheme, a.need, a.others)
	r.tokens.add(t, a.need)
	a.used, a.fetched = t, true
	r.log.DebugContext(ctx, "got a token", "scheme", scheme.String(), "scopes", len(t.grants))
	return value, nil
}

// unavailable makes the error for a token that could not be had, and tells
// whether the server did not like the request, and may like a smaller one.
func (a *attempt) unavailable(ctx context.Context, err error) (_ error, refused bool) {
	if ctx.Err() != nil {
		return ctx.Err(), false
	}
	e := &Error{Op: "get a token from", Subject: a.registry.host}
	said := new(errcode.ErrorResponse)
	switch {
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		e.status(http.StatusUnauthorized, false)
		e.Hint = "it wants a user and a password, and there are none for it: log in to it"
	case errors.As(err, &said):
		made := a.registry.answered(e.Op, e.Subject, said)
		if made.kind == ErrDenied {
			made.Hint = "it does not take the credentials: log in to it again"
		}
		if made.kind == ErrNotFound { // of the endpoint, and nothing of the repository
			made.kind = nil
		}
		switch said.StatusCode {
		case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
			http.StatusRequestURITooLong, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
			refused = true
		}
		return made, refused
	default:
		e.Err = a.registry.cause(err)
	}
	return e, false
}

// String keeps what it holds out of logs.
func (a *attempt) String() string {
	return fmt.Sprintf("attempt for %s", strings.Join(a.need.scopes(), " "))
}

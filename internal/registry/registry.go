// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry speaks the registry API (the OCI distribution API, /v2/) for
// a mirror: manifests by digest, blobs from any offset, what is attached to an
// image, pushes that can be sent again, and the credentials for all of it.
//
// It is the only importer of oras.land/oras-go/v2, whose types do not leave it.
// From there come referrers, with the upkeep of their fallback tag
// (registry/remote). What is written here, and why, is in
// doc/adr/0010-registry-client.md and doc/adr/0021-registries-of-the-field.md.
//
// It stores nothing, hashes no blob, and does not pace: [Options].Transport
// does, and repeats what can be repeated without harm.
//
// # The map
//
// A [Registry] (this file; ping.go: is it there) is a host, a [Repository]
// (repository.go) what requests are made of: manifest.go, blob.go, attached.go for
// pulling; upload.go, mount.go, checkpush.go, referrers.go for pushing; credentialcheck.go for neither.
// Each request goes down through
//
//   - client.go, which is the way in for our own requests and for oras';
//   - redirect.go: a redirect is followed by a new request that carries no
//     credential unless it stays on the registry's scheme, host and port;
//   - access.go and token.go: which token serves, for which repositories at
//     once (batch.go, claims.go);
//   - challenge.go and realm.go: how a 401 can be met, and where a token comes
//     from; credential.go, authfile.go and helper.go: whose credential buys it;
//   - denial.go and reason.go: why a request was refused, as far as it is known;
//   - resend.go: pushes are sent again when their body can be had again;
//   - stall.go: a body that stays silent, or trickles, is given up.
//
// # What it upholds
//
//   - Anonymous first: no credential is looked up, let alone sent, before the
//     registry has answered 401.
//   - A request for pulling never asks for the right to push, which on a Quay
//     would create the repository (doc/quay-api.md section 5).
//   - No secret is in an error, a log line or a URL of ours; what a server says
//     is searched for the secrets it was told (internal/redact).
//   - Every body is bounded, every name and digest is checked before it becomes
//     a part of a path, and there is no goroutine of its own.
package registry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	oras "oras.land/oras-go/v2/registry"

	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/transport"
)

// Options set up a Registry. The zero value asks anonymously over HTTPS.
type Options struct {
	// Transport carries all requests; nil is http.DefaultTransport. It keeps
	// the pace, and repeats GET and HEAD; see [NewTransport] for its base.
	Transport http.RoundTripper

	PlainHTTP   bool         // http instead of https
	Credentials Credentials  // asked after a 401, and not before; nil is anonymous
	UserAgent   string       // "" is "quayside"
	Logger      *slog.Logger // told of tokens and of what is sent again; nil is silent

	// Redactor learns each credential and token, so that the caller can keep them
	// out of all that it writes; nil is one of the Registry's own.
	Redactor *redact.Redactor
}

// A Registry is one host. It is safe for concurrent use.
type Registry struct {
	host      string // as given
	base      string // scheme://host[:port], the beginning of every URL
	origin    string // of base, to compare with
	userAgent string
	creds     Credentials
	log       *slog.Logger
	transport http.RoundTripper // sends pushes again
	once      http.RoundTripper // does not
	tokens    *tokens
	batches   *batches
	silent    silentRealms
	hide      *redact.Redactor
	noHead    atomic.Bool // HEAD of a manifest was refused, and GET was not

	mu           sync.Mutex
	repositories map[string]*Repository
}

// New makes a Registry. host is host or host:port; "docker.io" stands for
// registry-1.docker.io, which serves it. An error is about the host alone:
// nothing is sent.
func New(host string, o Options) (*Registry, error) {
	ref := oras.Reference{Registry: host}
	if err := ref.ValidateRegistry(); err != nil || strings.ContainsAny(host, "@%") {
		return nil, fmt.Errorf("registry: %.100q is no host or host:port", host)
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.UserAgent == "" {
		o.UserAgent = "quayside"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Redactor == nil {
		o.Redactor = &redact.Redactor{}
	}
	if o.Credentials == nil {
		o.Credentials = Chain(nil)
	}
	scheme, at := "https", strings.TrimSuffix(strings.ToLower(ref.Host()), ":443")
	if o.PlainHTTP {
		scheme, at = "http", strings.TrimSuffix(strings.ToLower(ref.Host()), ":80")
	}
	r := &Registry{
		host:         host,
		base:         scheme + "://" + at,
		origin:       transport.Origin(&url.URL{Scheme: scheme, Host: at}),
		userAgent:    o.UserAgent,
		creds:        o.Credentials,
		log:          o.Logger.With("registry", host),
		tokens:       newTokens(),
		batches:      newBatches(),
		hide:         o.Redactor,
		repositories: map[string]*Repository{},
	}
	r.once = watched{o.Transport}
	r.transport = &resender{base: r.once, log: r.log}
	return r, nil
}

// Host returns host or host:port, as given.
func (r *Registry) Host() string { return r.host }

// WillPull says which repositories (namespace/name) are going to be pulled from,
// so that one token can serve many of them. It can be called again for more.
// It sends nothing, and names that are none are left out.
func (r *Registry) WillPull(repositories ...string) {
	for _, name := range repositories {
		if validRepository(name) {
			r.batches.add(name)
		}
	}
}

// Repository returns the repository of a name (namespace/name), always the same
// one for a name. An error is about the name: nothing is sent.
func (r *Registry) Repository(name string) (*Repository, error) {
	if !validRepository(name) {
		return nil, fmt.Errorf("registry: %.100q is no name of a repository", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repository := r.repositories[name]
	if repository == nil {
		repository = newRepository(r, name)
		r.repositories[name] = repository
	}
	return repository, nil
}

// credential looks up whose token a repository needs.
func (r *Registry) credential(ctx context.Context, repository string) (Credential, error) {
	c, err := r.creds.Credential(ctx, r.host, repository)
	if err != nil {
		return Credential{}, err
	}
	if user, secret := c.parts(); secret != "" {
		r.hide.AddBasic(user, secret)
	}
	return c, nil
}

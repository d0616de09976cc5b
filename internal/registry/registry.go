// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry is a client of the registry API (the OCI distribution API, /v2/) for
// a mirror: manifests by digest, blobs from any offset, the attachments of an image,
// pushes that are repeated, and credentials.
//
// It is the only importer of oras.land/oras-go/v2, whose types it does not export. oras
// lists referrers and maintains their fallback tag (registry/remote).
// doc/adr/0010-registry-client.md and doc/adr/0021-registries-of-the-field.md explain why
// the rest is written here.
//
// It stores nothing and verifies no blob. [Options].Transport paces the requests, and
// repeats GET and HEAD.
//
// # The map
//
// A [Registry] is a host (this file, ping.go), and a [Repository] one of its
// repositories (repository.go). Pulling is in manifest.go, blob.go and attached.go,
// pushing in upload.go, mount.go and referrers.go. check.go checks credentials and the
// right to push. Each request passes through
//
//   - client.go: the entry for our own requests and for those of oras;
//   - redirect.go: a redirected request carries no credential unless it stays on the
//     registry's scheme, host and port;
//   - access.go, token.go, batch.go, claims.go: the tokens, and which repositories
//     share one;
//   - challenge.go, choose.go, realm.go: how to answer a 401, and where to request a
//     token; credential.go, authfile.go, helper.go: with which credential;
//   - denial.go, error.go, reason.go: why a request was refused;
//   - resend.go: how pushes are repeated.
//
// # Invariants
//
//   - Anonymous first: no credential is looked up before the registry has answered 401.
//   - A request to pull never asks for the right to push, which on a Quay would create
//     the repository (doc/quay-api.md section 5).
//   - No error, log line or URL contains a secret: servers' texts pass through
//     internal/redact.
//   - Every body is bounded, every name and digest is checked before it becomes part of
//     a path, and the package starts no goroutine.
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

// Options configure a Registry. The zero value sends anonymous requests over HTTPS.
type Options struct {
	// Transport sends all requests; nil is http.DefaultTransport. It paces them and
	// repeats GET and HEAD. [NewTransport] is its base.
	Transport http.RoundTripper

	PlainHTTP   bool         // http instead of https
	Credentials Credentials  // looked up after a 401; nil is anonymous
	UserAgent   string       // "" is "quayside"
	Logger      *slog.Logger // logs tokens requested and pushes repeated; nil is silent

	// Redactor learns each credential and token, so that the caller can redact them in
	// what it writes; nil is a Redactor of the Registry's own.
	Redactor *redact.Redactor
}

// A Registry is one host. It is safe for concurrent use.
type Registry struct {
	host      string // as given
	base      string // scheme://host[:port], the beginning of every URL
	origin    string // of base, for comparison
	userAgent string
	creds     Credentials
	log       *slog.Logger
	transport http.RoundTripper // repeats pushes
	once      http.RoundTripper // does not repeat
	tokens    *tokens
	batches   *batches
	silent    silentRealms
	hide      *redact.Redactor
	noHead    atomic.Bool // HEAD of a manifest was refused, and GET succeeded

	mu           sync.Mutex
	repositories map[string]*Repository
}

// New returns a Registry. host is host or host:port; "docker.io" is served by
// registry-1.docker.io. It sends nothing. The error is for an invalid host.
func New(host string, o Options) (*Registry, error) {
	ref := oras.Reference{Registry: host}
	if err := ref.ValidateRegistry(); err != nil || strings.ContainsAny(host, "@%") {
		return nil, fmt.Errorf("registry: %.100q is not a host or host:port", host)
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
	r.once = o.Transport
	r.transport = &resender{base: r.once, log: r.log}
	return r, nil
}

// Host returns host or host:port, as given.
func (r *Registry) Host() string { return r.host }

// WillPull announces repositories (namespace/name) that will be pulled from, so that
// one token serves many of them. It sends nothing, and ignores invalid names.
func (r *Registry) WillPull(repositories ...string) {
	for _, name := range repositories {
		if validRepository(name) {
			r.batches.add(name)
		}
	}
}

// Repository returns the repository with a name (namespace/name), the same one on each
// call. It sends nothing. The error is for an invalid name.
func (r *Registry) Repository(name string) (*Repository, error) {
	if !validRepository(name) {
		return nil, fmt.Errorf("registry: %.100q is not the name of a repository", name)
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

// credential looks up the credential of a repository.
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

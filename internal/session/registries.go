// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay"
)

// helloTime is how long a registry on this machine may take to answer the first bytes of TLS.
const helloTime = 2 * time.Second

// Time limits of the first request to a destination: for one attempt, and for all attempts.
// Repeating the request bridges short failures.
const (
	reachRetries = 3
	reachTime    = 20 * time.Second
	reachBudget  = 5 * time.Second
)

// A Source is a namespace of a server that images are pulled from.
type Source struct {
	Server    *Server
	Namespace string
}

// Registries are the registries that images are pulled from and pushed to. Safe for
// concurrent use, but for Destination, which is called before the other methods.
type Registries struct {
	session *Session
	stored  registry.Credentials
	servers map[string]*Server // by host
	tokens  tokens

	mu   sync.Mutex
	open map[string]*registry.Registry // by host
}

// tokens are the tokens of namespaces, by host/namespace.
type tokens map[string]redact.Secret

// Credential returns the token for a repository's namespace, for its host only.
func (t tokens) Credential(_ context.Context, host, repository string) (registry.Credential, error) {
	namespace, _, _ := strings.Cut(repository, "/")
	if token := t[host+"/"+namespace]; !token.IsZero() {
		return registry.NewCredential(applicationUser, token.Reveal()).OwnHost(), nil
	}
	return registry.Credential{}, nil
}

// Registries returns the registries for some sources. Nothing is sent.
func (s *Session) Registries(sources []Source) *Registries {
	r := &Registries{
		session: s, stored: registry.StoredCredentials(s.Env),
		servers: map[string]*Server{}, tokens: tokens{}, open: map[string]*registry.Registry{},
	}
	for _, source := range sources {
		r.servers[source.Server.Host] = source.Server
		r.tokens[source.Server.Host+"/"+source.Namespace] = source.Server.endpoint.token
	}
	return r
}

// Source returns the registry of a host that images come from.
func (r *Registries) Source(host string) (*registry.Registry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.open[host]; known != nil {
		return known, nil
	}
	server := r.servers[host]
	if server == nil {
		return nil, fmt.Errorf("registry %s: it is not among the servers asked for", host)
	}
	opened, err := r.session.registry(host, server.endpoint, registry.Chain{r.tokens, r.stored})
	if err == nil {
		r.open[host] = opened
	}
	return opened, err
}

// Destination returns the registry of a host that images go to, and how the host is reached.
// Stored credentials come first: a token that was given for reading may not write.
func (r *Registries) Destination(ctx context.Context, host string) (*registry.Registry, Endpoint, error) {
	e, err := r.session.destinationEndpoint(ctx, host)
	if err != nil {
		return nil, e, err
	}
	credentials := registry.Chain{r.stored}
	if server := r.servers[host]; server != nil {
		e = server.endpoint
		token := registry.NewCredential(applicationUser, e.token.Reveal()).OwnHost()
		credentials = append(credentials, registry.ForHost(host, token))
	}
	if len(e.caFiles) > 0 {
		if _, err := r.session.trusted(ctx, e.caFiles); err != nil {
			return nil, e, err
		}
	}
	opened, err := r.session.registry(host, e, credentials)
	return opened, e, err
}

// Reach checks that a host answers, with one request that is repeated for a short time. Any
// answer will do.
func (s *Session) Reach(ctx context.Context, host string, e Endpoint) error {
	t, err := s.transport(host, e)
	if err != nil {
		return err
	}
	once := pace.New(pace.Options{
		Base: t.base, Retries: reachRetries, Timeout: reachTime, MaxWait: time.Second, MaxElapsed: reachBudget, Logger: s.Logger,
		Observe: t.logAttempt,
	})
	defer once.CloseIdleConnections()
	r, err := registry.New(host, s.registryOptions(once, e))
	if err != nil {
		return err
	}
	return r.Ping(ctx)
}

// destinationEndpoint returns how to reach a registry that is not a source. --plain-http does
// not apply to it, because pushes carry a password. A registry on this machine is reached
// over HTTP if it answers in HTTP.
func (s *Session) destinationEndpoint(ctx context.Context, host string) (Endpoint, error) {
	chosen, _, err := s.chosen()
	if err != nil || hostOf(chosen.url) == host {
		return chosen, err
	}
	if name, entry := s.configuredHost(host); entry != nil {
		return s.entryEndpoint(name, *entry), nil
	}
	e := Endpoint{url: "https://" + host, caFiles: s.Settings.CAFiles}
	if loopback("http://"+host) && (s.Settings.PlainHTTP || answersHTTP(ctx, host)) {
		e.url = "http://" + host
	}
	return e, nil
}

// answersHTTP reports whether a host of this machine answers the start of a TLS handshake with
// HTTP. It sends nothing else.
func answersHTTP(ctx context.Context, host string) bool {
	if _, _, err := net.SplitHostPort(host); err != nil {
		return false // the port is that of HTTPS
	}
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	var d tls.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err == nil {
		_ = conn.Close()
	}
	return speaksHTTP(err)
}

// registry makes the registry of a host. Nothing is sent.
func (s *Session) registry(host string, e Endpoint, credentials registry.Credentials) (*registry.Registry, error) {
	t, err := s.transport(host, e)
	if err != nil {
		return nil, err
	}
	o := s.registryOptions(t.pace, e)
	o.Credentials = credentials
	return registry.New(host, o)
}

func (s *Session) registryOptions(transport http.RoundTripper, e Endpoint) registry.Options {
	return registry.Options{
		Transport: transport, PlainHTTP: strings.HasPrefix(e.url, "http:"), UserAgent: s.UserAgent, Logger: s.Logger, Redactor: s.Redactor,
	}
}

// A registryTransport carries the traffic of one registry, and of the hosts that it
// redirects to.
type registryTransport struct {
	host   string // as it was asked for
	base   *http.Transport
	pace   *pace.Transport
	log    *slog.Logger
	advice atomic.Pointer[string] // what the user can do about the latest error
}

func (t *registryTransport) observe(e pace.Event) {
	t.logAttempt(e)
	if text := connectionAdvice(e.Request.URL.Host, e.Err); text != "" {
		t.advice.Store(&text)
	}
}

// logAttempt logs an attempt without the query of its URL, which is a credential where a
// registry redirects to.
func (t *registryTransport) logAttempt(e pace.Event) {
	e.Log(t.log, func(u *url.URL) string {
		shown := *u
		shown.User, shown.RawQuery = nil, ""
		return shown.String()
	}, func(text string) string { return text })
}

func (t *registryTransport) close() {
	t.pace.CloseIdleConnections()
	t.base.CloseIdleConnections()
}

// transport returns the transport of a host: sources and a destination share it. It is
// called by one goroutine at a time.
func (s *Session) transport(host string, e Endpoint) (*registryTransport, error) {
	scheme, _, _ := strings.Cut(e.url, "://")
	key := scheme + "://" + host
	if t := s.transports[key]; t != nil {
		return t, nil
	}
	var roots *x509.CertPool // nil: the system's
	if len(e.caFiles) > 0 {
		var err error
		// Connect or Destination has read the files.
		if roots, err = s.trusted(context.Background(), e.caFiles); err != nil {
			return nil, err
		}
	}
	t := &registryTransport{host: host, base: registry.NewTransport(roots), log: s.Logger}
	t.pace = pace.New(pace.Options{
		Base:        t.base,
		Retries:     quay.DefaultRetries,
		Logger:      s.Logger,
		Rate:        s.Settings.Rate,
		Burst:       float64(s.Settings.Burst),
		Connections: s.Settings.Connections,
		Observe:     t.observe,
	})
	s.transports[key] = t
	return t, nil
}

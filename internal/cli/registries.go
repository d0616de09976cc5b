// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay"
)

// applicationUser is the user whose password is an application token
// (doc/quay-api.md, "Recorded").
const applicationUser = "$oauthtoken"

// helloTime is how long a registry on this machine may take to say hello.
const helloTime = 2 * time.Second

// How long a destination is waited for that does not answer the first question:
// an attempt, and all of them. What passes in a moment is no reason to give up.
const (
	reachRetries = 3
	reachTime    = 20 * time.Second
	reachBudget  = 5 * time.Second
)

// registries are the registries that images are pulled from: the servers that
// the arguments name. Safe for concurrent use, but for destination, which is
// called before the others. traffic.go tells what was sent to them.
type registries struct {
	a      *app
	stored registry.Credentials
	links  map[string]*link // by host
	tokens tokens

	mu   sync.Mutex
	open map[string]*registry.Registry // by host
}

// tokens are the tokens of namespaces, by host/namespace.
type tokens map[string]redact.Secret

// Credential gives the token of a repository's namespace, to its host only.
func (t tokens) Credential(_ context.Context, host, repository string) (registry.Credential, error) {
	namespace, _, _ := strings.Cut(repository, "/")
	if token := t[host+"/"+namespace]; !token.IsZero() {
		return registry.NewCredential(applicationUser, token.Reveal()).OwnHost(), nil
	}
	return registry.Credential{}, nil
}

func (a *app) registries(targets []target) *registries {
	r := &registries{
		a: a, stored: registry.StoredCredentials(a.env),
		links: map[string]*link{}, tokens: tokens{}, open: map[string]*registry.Registry{},
	}
	for _, t := range targets {
		r.links[t.link.host] = t.link
		r.tokens[t.link.host+"/"+t.namespace()] = t.link.origin.token
	}
	return r
}

// source returns the registry of a host that images come from.
func (r *registries) source(host string) (*registry.Registry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.open[host]; known != nil {
		return known, nil
	}
	l := r.links[host]
	if l == nil {
		return nil, fmt.Errorf("registry %s: it is not among the servers asked for", host)
	}
	opened, err := r.a.registry(host, l.origin, registry.Chain{r.tokens, r.stored})
	if err == nil {
		r.open[host] = opened
	}
	return opened, err
}

// destination returns the registry of a host that images go to. What is
// stored for it may write; a token that was given for reading is the last resort.
// It returns how the host is reached, too.
func (r *registries) destination(ctx context.Context, host string) (*registry.Registry, origin, error) {
	o, err := r.a.destinationOrigin(ctx, host)
	if err != nil {
		return nil, o, err
	}
	credentials := registry.Chain{r.stored}
	if l := r.links[host]; l != nil {
		o = l.origin
		token := registry.NewCredential(applicationUser, l.origin.token.Reveal()).OwnHost()
		credentials = append(credentials, registry.ForHost(host, token))
	}
	if len(o.caFiles) > 0 {
		if _, err := r.a.trusted(ctx, o.caFiles); err != nil {
			return nil, o, err
		}
	}
	opened, err := r.a.registry(host, o, credentials)
	return opened, o, err
}

// reach finds out whether anything answers at a host, by one question that is
// not repeated for long. Any answer will do.
func (a *app) reach(ctx context.Context, host string, o origin) error {
	c, err := a.carrier(host, o)
	if err != nil {
		return err
	}
	asking := pace.New(pace.Options{
		Base: c.base, Retries: reachRetries, Timeout: reachTime, MaxWait: time.Second, Budget: reachBudget, Logger: a.talk.log,
		Observe: c.logged,
	})
	defer asking.CloseIdleConnections()
	r, err := registry.New(host, registry.Options{
		Transport: asking, PlainHTTP: strings.HasPrefix(o.url, "http:"), UserAgent: userAgent(), Logger: a.talk.log,
		Redactor: a.talk.hide,
	})
	if err != nil {
		return err
	}
	return r.Ping(ctx)
}

// destinationOrigin tells how a registry that is no source is reached. It is
// not HTTP by --plain-http: what is pushed is pushed with a password. On this
// machine HTTP is spoken to whoever answers in it.
func (a *app) destinationOrigin(ctx context.Context, host string) (origin, error) {
	chosen, _, err := a.chosen()
	if err != nil || hostOf(chosen.url) == host {
		return chosen, err
	}
	if name, entry := a.configured(func(name, url string) bool { return name == host || hostOf(url) == host }); entry != nil {
		return a.entryOrigin(name, *entry), nil
	}
	o := origin{url: "https://" + host, caFiles: a.flags.caFiles}
	if loopback("http://"+host) && (a.flags.plainHTTP || plain(ctx, host)) {
		o.url = "http://" + host
	}
	return o, nil
}

// plain tells whether a host of this machine answers the beginning of TLS with
// HTTP. It is told nothing else.
func plain(ctx context.Context, host string) bool {
	if _, _, err := net.SplitHostPort(host); err != nil {
		return false // at the port of HTTPS
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

// pressure says which registry makes requests wait, and why, or "".
func (r *registries) pressure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var most pace.ClassStats
	host := ""
	for _, c := range r.a.carriers {
		for _, h := range c.pace.Stats() {
			if h.Outage >= shortPause {
				return r.a.talk.hide.Text(unanswered(h))
			}
			for _, class := range h.Classes {
				if order := cmp.Or(cmp.Compare(class.Pause, most.Pause), cmp.Compare(waiting(class), waiting(most))); order > 0 {
					host, most = h.Host, class
				}
			}
		}
	}
	if why := pressure(most.Held, most.Rate, most.Pause); why != "" {
		return why + " by " + redact.Escape(r.a.talk.hide.Text(host))
	}
	return ""
}

// unanswered says that a host does not answer, why, and for how long it is
// waited for.
func unanswered(h pace.HostStats) string {
	text := fmt.Sprintf("%s does not answer (%s), ", redact.Escape(h.Host), redact.Escape(h.Trouble))
	if h.Left > 0 {
		return text + fmt.Sprintf("waiting up to %s more", h.Left)
	}
	return text + "given up"
}

// remedies are what can be done about errors that were met.
func (r *registries) remedies() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.a.carriers)) {
		if text := r.a.carriers[key].remedy.Load(); text != nil {
			all = append(all, *text)
		}
	}
	return all
}

// waiting is how many requests a limit holds back.
func waiting(c pace.ClassStats) int {
	if c.Held {
		return c.Waiting
	}
	return 0
}

// registry makes the registry of a host. Nothing is sent.
func (a *app) registry(host string, o origin, credentials registry.Credentials) (*registry.Registry, error) {
	c, err := a.carrier(host, o)
	if err != nil {
		return nil, err
	}
	return registry.New(host, registry.Options{
		Transport:   c.pace,
		PlainHTTP:   strings.HasPrefix(o.url, "http:"),
		Credentials: credentials,
		UserAgent:   userAgent(),
		Logger:      a.talk.log,
		Redactor:    a.talk.hide,
	})
}

// A carrier carries the registry traffic of one host, and of where it redirects to.
type carrier struct {
	host   string // as it was asked for
	base   *http.Transport
	pace   *pace.Transport
	log    *slog.Logger
	remedy atomic.Pointer[string] // what can be done about an error that was met
}

// observe looks at an attempt.
func (c *carrier) observe(e pace.Event) {
	c.logged(e)
	if text := remedy(e.Request.URL.Host, e.Err); text != "" {
		c.remedy.Store(&text)
	}
}

// logged logs an attempt without the query of its URL, which is a credential
// where a registry redirects to.
func (c *carrier) logged(e pace.Event) {
	e.Log(c.log, func(u *url.URL) string {
		shown := *u
		shown.User, shown.RawQuery = nil, ""
		return shown.String()
	}, func(text string) string { return text })
}

func (c *carrier) close() {
	c.pace.CloseIdleConnections()
	c.base.CloseIdleConnections()
}

// carrier gives the carrier of a host: sources and a destination share it. It
// is called by one goroutine at a time.
func (a *app) carrier(host string, o origin) (*carrier, error) {
	scheme, _, _ := strings.Cut(o.url, "://")
	key := scheme + "://" + host
	if c := a.carriers[key]; c != nil {
		return c, nil
	}
	var roots *x509.CertPool // the system's
	if len(o.caFiles) > 0 {
		var err error
		// It was read when the server was connected to, or by destination.
		if roots, err = a.trusted(context.Background(), o.caFiles); err != nil {
			return nil, err
		}
	}
	base := registry.NewTransport(roots)
	c := &carrier{host: host, base: base, log: a.talk.log}
	c.pace = pace.New(pace.Options{
		Base:        base,
		Retries:     quay.DefaultRetries,
		Logger:      a.talk.log,
		Rate:        a.flags.rate,
		Burst:       float64(a.flags.burst),
		Connections: a.flags.connections,
		Observe:     c.observe,
	})
	a.carriers[key] = c
	return c, nil
}

// userAgent says who asks, as the client of the REST API does.
func userAgent() string {
	info, _ := debug.ReadBuildInfo()
	return "quayside/" + versionOf(info).Version + " (+https://github.com/quayside/quayside)"
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/quay"
)

// An Endpoint is how a server is reached.
type Endpoint struct {
	url     string
	alias   string // its name in the config file, if that is not its host; or ""
	caFiles []string
	token   redact.Secret
	// tokenHost is the host of --server, if a token of --token-file or of the
	// environment is for that host and this server has none; else "".
	tokenHost string
}

// A Server is a Quay server that the command asks.
type Server struct {
	Host   string // as image names have it
	Client *quay.Client
	Finder *discover.Finder

	endpoint Endpoint
	aliases  []string // of the config file's servers
	home     string   // the host of --server
}

// Name returns the host, with the name that the config file has for the server.
func (s *Server) Name() string {
	if s.endpoint.alias != "" {
		return fmt.Sprintf("%s (%q in the config file)", s.Host, s.endpoint.alias)
	}
	return s.Host
}

// Token returns what is known of the token before the server has answered.
func (s *Server) Token() report.TokenState {
	switch {
	case s.Client.HasToken():
		return report.TokenUnproven
	case s.endpoint.tokenHost != "":
		return report.TokenOtherHost
	}
	return report.TokenNone
}

// TokenHost returns the host that a token is for which this server does not get, or nil.
func (s *Server) TokenHost() *string {
	if s.endpoint.tokenHost == "" {
		return nil
	}
	return &s.endpoint.tokenHost
}

// Connect returns the server of a host, or of --server if host is "". Nothing is sent.
func (s *Session) Connect(ctx context.Context, host string) (*Server, error) {
	chosen, entry, err := s.chosen()
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = hostOf(chosen.url)
	} else {
		host = hostOf(s.scheme() + host) // without the scheme's own port
		// The pattern may have the config file's name of the server of --server.
		if name, entry := s.configuredHost(host); entry != nil && s.entryEndpoint(name, *entry).url == chosen.url {
			host = hostOf(chosen.url)
		}
	}
	if server := s.servers[host]; server != nil {
		return server, nil
	}
	e := chosen
	if host == hostOf(chosen.url) {
		e.token, err = s.tokenOfChosen(ctx, cmp.Or(chosen.alias, host), entry)
	} else {
		e, err = s.otherEndpoint(ctx, host)
	}
	if err != nil {
		return nil, err
	}
	s.Redactor.AddBasic(applicationUser, e.token.Reveal())
	options := []quay.Option{quay.WithServer(e.url), quay.WithToken(e.token.Reveal()), quay.WithLogger(s.Logger),
		quay.WithConnections(s.Settings.Connections), quay.WithRate(s.Settings.Rate, s.Settings.Burst)}
	if len(e.caFiles) > 0 {
		pool, err := s.trusted(ctx, e.caFiles)
		if err != nil {
			return nil, err
		}
		options = append(options, quay.WithRootCAs(pool))
	}
	client, err := quay.New(options...)
	if err != nil {
		return nil, err
	}
	server := &Server{
		Client: client, Finder: discover.NewFinder(client), endpoint: e,
		aliases: slices.Sorted(maps.Keys(s.Config.Servers)), home: hostOf(chosen.url),
	}
	server.Host = server.Finder.Host()
	if strings.HasPrefix(e.url, "http:") && client.HasToken() && !loopback(e.url) {
		s.Console.Warn("the token goes to %s over plain HTTP, where anyone on the way can read it", server.Host)
	}
	s.servers[host] = server
	return server, nil
}

// chosen returns the server of --server, without its token, and its entry in the config file.
func (s *Session) chosen() (Endpoint, *ConfigServer, error) {
	name := cmp.Or(strings.TrimSpace(s.Settings.Server), "quay.io")
	if entry, ok := s.Config.Servers[name]; ok {
		e := s.entryEndpoint(name, entry)
		if s.Settings.PlainHTTP && strings.HasPrefix(e.url, "https:") {
			return Endpoint{}, nil, Usagef("--plain-http contradicts the config file, where %s has HTTPS", name)
		}
		return e, &entry, nil
	}
	e := Endpoint{url: name, caFiles: s.Settings.CAFiles}
	if !strings.Contains(name, "://") {
		e.url = s.scheme() + name
	} else if s.Settings.PlainHTTP && strings.HasPrefix(name, "https:") {
		return Endpoint{}, nil, Usagef("--plain-http contradicts the https:// of the server")
	}
	// The same server may be configured under another name. What is a secret over HTTPS is
	// none over HTTP, so the scheme has to be the same.
	scheme, _, _ := strings.Cut(e.url, "://")
	key, entry := s.configured(func(_, url string) bool {
		other, _, _ := strings.Cut(url, "://")
		return strings.EqualFold(scheme, other) && hostOf(url) == hostOf(e.url)
	})
	if entry != nil {
		named := s.entryEndpoint(key, *entry)
		e.caFiles, e.alias = named.caFiles, named.alias
	}
	return e, entry, nil
}

// otherEndpoint describes a server other than that of --server. The token of --token-file or
// of the environment belongs to the server of --server, and a configured token to the server
// it is configured for: neither is sent to another server.
func (s *Session) otherEndpoint(ctx context.Context, host string) (e Endpoint, err error) {
	e = Endpoint{url: s.scheme() + host, caFiles: s.Settings.CAFiles}
	if name, entry := s.configuredHost(host); entry != nil {
		e = s.entryEndpoint(name, *entry)
		if e.token, err = s.tokenOfEntry(ctx, name, *entry); err != nil {
			return e, err
		}
	}
	given, _ := s.Env("QUAYSIDE_TOKEN")
	if e.token.IsZero() && (strings.TrimSpace(given) != "" || s.Settings.TokenFile != "") {
		chosen, _, _ := s.chosen() // Connect has returned its error
		e.tokenHost = hostOf(chosen.url)
	}
	return e, nil
}

func (s *Session) scheme() string {
	if s.Settings.PlainHTTP {
		return "http://"
	}
	return "https://"
}

// configuredHost returns the config file's entry for a host.
func (s *Session) configuredHost(host string) (string, *ConfigServer) {
	return s.configured(func(name, url string) bool { return name == host || hostOf(url) == host })
}

// configured returns the config file's first entry, by name, that fits.
func (s *Session) configured(fits func(name, url string) bool) (string, *ConfigServer) {
	for _, name := range slices.Sorted(maps.Keys(s.Config.Servers)) {
		entry := s.Config.Servers[name]
		if fits(name, s.entryEndpoint(name, entry).url) {
			return name, &entry
		}
	}
	return "", nil
}

// entryEndpoint describes a server of the config file, without its token.
func (s *Session) entryEndpoint(name string, entry ConfigServer) Endpoint {
	e := Endpoint{url: cmp.Or(entry.URL, name), caFiles: s.Settings.CAFiles}
	if entry.CAFile != "" && len(e.caFiles) == 0 {
		e.caFiles = []string{entry.CAFile}
	}
	if !strings.Contains(e.url, "://") {
		if entry.PlainHTTP {
			e.url = "http://" + e.url
		} else {
			e.url = "https://" + e.url // --plain-http is not about servers of the config file
		}
	}
	if hostOf(e.url) != strings.ToLower(name) {
		e.alias = name
	}
	return e
}

// hostOf returns the host of a URL as image names have it: in lower case, and with its port
// unless that is the scheme's own.
func hostOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// loopback reports whether a URL leads to this machine.
func loopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

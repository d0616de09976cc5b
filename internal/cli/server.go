// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/quay"
)

// An origin is one server with all that is needed to ask it.
type origin struct {
	url     string
	alias   string // its name in the config file, if that is not its host; or ""
	caFiles []string
	token   redact.Secret
	// elsewhere is the host that a token of --token-file or of the environment is
	// for, when this server is another one and has none; else "".
	elsewhere string
}

// A linkKey tells the links of one run of the command apart: by host, and by
// the token that a pattern brought along.
type linkKey struct{ host, token string }

// A link is a client of one server, kept for as long as the command runs.
type link struct {
	client  *quay.Client
	catalog *discover.QuayCatalog
	host    string // as image names carry it
	origin  origin
	aliases []string // of the config file's servers
	home    string   // the host of --server
}

// name is the host, with the name that the config file has for it.
func (l *link) name() string {
	if l.origin.alias != "" {
		return fmt.Sprintf("%s (%q in the config file)", l.host, l.origin.alias)
	}
	return l.host
}

// advise adds to an error of the server what can be done about it.
func (l *link) advise(err error) error { return l.advised(err, l.token() != report.TokenNone) }

// advised does so; token reports whether there is one, or none is to be asked for.
func (l *link) advised(err error, token bool) error {
	advised := advise(err, token)
	if !errors.Is(err, quay.ErrUnavailable) {
		return advised
	}
	if l.origin.alias != "" {
		return fmt.Errorf("%w; the server is %s", advised, l.name())
	}
	dns, _ := errors.AsType[*net.DNSError](err)
	if dns != nil && dns.IsNotFound && dns.Name == l.host && l.host != l.home { // which a port would have told from an organization
		return fmt.Errorf("%w; if %s is an organization, write its host before it, as in %s/%s/REPO", advised, l.host, l.home, l.host)
	}
	if len(l.aliases) > 0 && !strings.ContainsAny(l.host, ".:") && l.host != "localhost" {
		return fmt.Errorf("%w; the config file names no server %q, but %s", advised, l.host, strings.Join(l.aliases, ", "))
	}
	return advised
}

// connect gives the link to the server a host stands for. "" is the server of
// --server. A token given here (of a pattern) is used in place of the one that
// is configured for the server.
func (a *app) connect(ctx context.Context, host string, token redact.Secret) (*link, error) {
	chosen, entry, err := a.chosen()
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = hostOf(chosen.url)
	} else {
		host = hostOf(a.scheme() + host) // less a port that goes without saying
	}
	key := linkKey{host, token.Reveal()}
	if l := a.links[key]; l != nil {
		return l, nil
	}
	o := chosen
	if host != hostOf(chosen.url) {
		o, err = a.originOf(ctx, host, token)
	} else if o.token = token; token.IsZero() {
		o.token, err = a.tokenOfChosen(ctx, cmp.Or(chosen.alias, host), entry)
	}
	if err != nil {
		return nil, err
	}
	a.talk.hide.AddBasic(applicationUser, o.token.Reveal())
	options := []quay.Option{quay.WithServer(o.url), quay.WithToken(o.token.Reveal()), quay.WithLogger(a.talk.log),
		quay.WithConnections(a.flags.connections), quay.WithRate(a.flags.rate, a.flags.burst)}
	if len(o.caFiles) > 0 {
		pool, err := a.trusted(ctx, o.caFiles)
		if err != nil {
			return nil, err
		}
		options = append(options, quay.WithRootCAs(pool))
	}
	client, err := quay.New(options...)
	if err != nil {
		return nil, err
	}
	l := &link{client: client, catalog: discover.Quay(client), origin: o, aliases: slices.Sorted(maps.Keys(a.config.Servers)), home: hostOf(chosen.url)}
	l.host = l.catalog.Host()
	if strings.HasPrefix(o.url, "http:") && client.HasToken() && !loopback(o.url) {
		a.talk.warn("the token goes to %s over plain HTTP, where anyone on the way can read it", l.host)
	}
	a.links[key] = l
	return l, nil
}

// token is what the server made of the token, before an answer shows more.
func (l *link) token() string {
	switch {
	case l.client.HasToken():
		return report.TokenUnproven
	case l.origin.elsewhere != "":
		return report.TokenAway
	}
	return report.TokenNone
}

// tokenHost is the host that a token is for which this server does not get, or nil.
func (l *link) tokenHost() *string {
	if l.origin.elsewhere == "" {
		return nil
	}
	return &l.origin.elsewhere
}

// weigh is the word that a reader has to know of, of the words of two servers.
func weigh(x, y string) string {
	words := []string{report.TokenNone, report.TokenAccepted, report.TokenUnproven, report.TokenIgnored, report.TokenAway}
	return words[max(slices.Index(words, x), slices.Index(words, y))]
}

// trouble says why one of the servers gave no answer of late, or "".
func (a *app) trouble() (why string) {
	for _, l := range a.links {
		why = max(why, l.client.Pace().Trouble)
	}
	return why
}

// hangUp closes the connections of all links.
func (a *app) hangUp() {
	for _, l := range a.links {
		l.client.Close()
	}
	for _, c := range a.carriers {
		c.close()
	}
}

// originOf describes a server other than that of --server. The token of
// --token-file or of the environment belongs to the server of --server, and a
// configured token to the server it is configured for: neither is ever sent to
// another.
func (a *app) originOf(ctx context.Context, host string, token redact.Secret) (o origin, err error) {
	o = origin{url: a.scheme() + host, caFiles: a.flags.caFiles}
	name, entry := a.configured(func(name, url string) bool { return name == host || hostOf(url) == host })
	if entry != nil {
		o = a.entryOrigin(name, *entry)
		if token.IsZero() {
			token, err = a.tokenOfEntry(ctx, name, *entry)
		}
	}
	o.token = token
	if given, _ := a.env("QUAYSIDE_TOKEN"); token.IsZero() && err == nil && (strings.TrimSpace(given) != "" || a.flags.tokenFile != "") {
		chosen, _, _ := a.chosen() // connect has met its error
		o.elsewhere = hostOf(chosen.url)
	}
	return o, err
}

// settleToken is called with all the servers that a command is going to ask, before
// it does. A token of --token-file that none of them gets is a mistake. A token of the
// environment may be there for other commands: a warning says that it stays at home.
func (a *app) settleToken(links ...*link) error {
	chosen, _, err := a.chosen()
	if err != nil || len(links) == 0 {
		return err
	}
	home, source := hostOf(chosen.url), "$QUAYSIDE_TOKEN"
	if a.flags.tokenFile != "" {
		source = "--token-file"
	}
	if a.flags.tokenFile != "" && !a.tokenRead {
		return usagef("the token of --token-file is for %s, and %s is asked: --server %s gives it to %s",
			home, links[0].host, links[0].host, links[0].host)
	}
	warned := map[string]bool{}
	for _, l := range links {
		if l.origin.elsewhere == "" || warned[l.host] {
			continue
		}
		warned[l.host] = true
		a.talk.warn("the token of %s is for %s, and %s is asked without one: private images are not seen there; "+
			"--server %s gives the token to %s, and the config file can name one for each server", source, home, l.host, l.host, l.host)
	}
	return nil
}

// chosen is the server of --server, without its token, and what the config
// file says of it.
func (a *app) chosen() (origin, *configServer, error) {
	name := strings.TrimSpace(a.flags.server)
	if name == "" {
		name = "quay.io"
	}
	if entry, ok := a.config.Servers[name]; ok {
		o := a.entryOrigin(name, entry)
		if a.flags.plainHTTP && strings.HasPrefix(o.url, "https:") {
			return origin{}, nil, usagef("--plain-http contradicts the config file, where %s has HTTPS", name)
		}
		return o, &entry, nil
	}
	o := origin{url: name, caFiles: a.flags.caFiles}
	if !strings.Contains(name, "://") {
		o.url = a.scheme() + name
	} else if a.flags.plainHTTP && strings.HasPrefix(name, "https:") {
		return origin{}, nil, usagef("--plain-http contradicts the https:// of the server")
	}
	// The same server may be configured under another name.
	key, entry := a.configured(func(_, url string) bool { return sameOrigin(url, o.url) })
	if entry != nil {
		named := a.entryOrigin(key, *entry)
		o.caFiles, o.alias = named.caFiles, named.alias
	}
	return o, entry, nil
}

func (a *app) scheme() string {
	if a.flags.plainHTTP {
		return "http://"
	}
	return "https://"
}

// configured finds the config file's first server, by name, that fits.
func (a *app) configured(fits func(name, url string) bool) (string, *configServer) {
	for _, name := range slices.Sorted(maps.Keys(a.config.Servers)) {
		entry := a.config.Servers[name]
		if fits(name, a.entryOrigin(name, entry).url) {
			return name, &entry
		}
	}
	return "", nil
}

// entryOrigin describes a server of the config file, without its token.
func (a *app) entryOrigin(name string, entry configServer) origin {
	o := origin{url: entry.URL}
	if entry.CAFile != "" {
		o.caFiles = []string{entry.CAFile}
	}
	if o.url == "" {
		o.url = name
	}
	if !strings.Contains(o.url, "://") {
		if entry.PlainHTTP {
			o.url = "http://" + o.url
		} else {
			o.url = "https://" + o.url // --plain-http is not about servers of the config file
		}
	}
	if len(a.flags.caFiles) > 0 {
		o.caFiles = a.flags.caFiles
	}
	if hostOf(o.url) != strings.ToLower(name) {
		o.alias = name
	}
	return o
}

// tokenOfChosen finds the token of --server's server: of --token-file, then of
// the config file's entry, which knows whose it is, then of the environment.
func (a *app) tokenOfChosen(ctx context.Context, host string, entry *configServer) (redact.Secret, error) {
	given, _ := a.env("QUAYSIDE_TOKEN")
	switch {
	case a.flags.tokenFile != "":
		a.tokenRead = true
		return a.readToken(ctx, a.flags.tokenFile)
	case entry != nil && entry.TokenFile+entry.TokenEnv != "":
		if given != "" && entry.TokenEnv != "QUAYSIDE_TOKEN" {
			a.talk.note("the config file names a token for this server: it is used in place of $QUAYSIDE_TOKEN")
		}
		return a.tokenOfEntry(ctx, host, *entry)
	}
	return redact.NewSecret(strings.TrimSpace(given)), nil
}

func (a *app) tokenOfEntry(ctx context.Context, name string, entry configServer) (redact.Secret, error) {
	switch {
	case entry.TokenFile != "":
		return a.readToken(ctx, entry.TokenFile)
	case entry.TokenEnv != "":
		token, _ := a.env(entry.TokenEnv)
		if strings.TrimSpace(token) == "" {
			return redact.Secret{}, usagef("config: server %q: its token_env %s is not set", name, entry.TokenEnv)
		}
		return redact.NewSecret(strings.TrimSpace(token)), nil
	}
	return redact.Secret{}, nil
}

// trusted makes a pool of the system's certificates and those of PEM files. Each
// set of files is read once, for one may be a pipe.
func (a *app) trusted(ctx context.Context, files []string) (*x509.CertPool, error) {
	key := strings.Join(files, "\x00")
	if pool := a.roots[key]; pool != nil {
		return pool, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system's certificates: %w", err)
	}
	for _, file := range files {
		text, _, err := readFile(ctx, file, maxCA)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil:
			return nil, usagef("CA file: %w", err)
		case !pool.AppendCertsFromPEM(text):
			return nil, usagef("CA file %s: no PEM certificate in it", file)
		}
	}
	a.roots[key] = pool
	return pool, nil
}

// hostOf gives the host of a server's URL as image names carry it: lower case,
// and with its port unless the scheme stands for it.
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

// sameOrigin tells whether two URLs lead to the same server in the same way:
// what is a secret over HTTPS is none over HTTP.
func sameOrigin(a, b string) bool {
	schemeA, _, _ := strings.Cut(a, "://")
	schemeB, _, _ := strings.Cut(b, "://")
	return strings.EqualFold(schemeA, schemeB) && hostOf(a) == hostOf(b)
}

// loopback tells whether a URL leads to this machine.
func loopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

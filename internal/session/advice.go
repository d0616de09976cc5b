// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/transport"
	"github.com/quayside/quayside/quay"
)

// Advise adds to an error of the server what the user can do about it.
func (s *Server) Advise(err error) error {
	return s.advise(err, s.Token() == report.TokenNone)
}

// AdviseOne is Advise for an error of one repository. It does not suggest to give a token.
func (s *Server) AdviseOne(err error) error { return s.advise(err, false) }

func (s *Server) advise(err error, askForToken bool) error {
	advised := advise(err)
	if askForToken && errors.Is(err, quay.ErrUnauthenticated) {
		advised = fmt.Errorf("%w; give a token in $QUAYSIDE_TOKEN or with --token-file", err)
	}
	if !errors.Is(err, quay.ErrUnavailable) {
		return advised
	}
	dns, _ := errors.AsType[*net.DNSError](err)
	switch {
	case s.endpoint.alias != "":
		return fmt.Errorf("%w; the server is %s", advised, s.Name())
	case dns != nil && dns.IsNotFound && dns.Name == s.Host && s.Host != s.home: // an organization has no port
		return fmt.Errorf("%w; if %s is an organization, write its host before it, as in %s/%s/REPO", advised, s.Host, s.home, s.Host)
	case len(s.aliases) > 0 && !strings.ContainsAny(s.Host, ".:") && s.Host != "localhost":
		return fmt.Errorf("%w; the config file names no server %q, but %s", advised, s.Host, strings.Join(s.aliases, ", "))
	}
	return advised
}

// Explain returns the error for a namespace that does not exist if that is the cause of
// err, and err with advice otherwise. Callers who may not read a repository get the same
// answer for both (doc/quay-api.md section 3).
func (s *Server) Explain(ctx context.Context, namespace string, err error) error {
	if errors.Is(err, quay.ErrUnauthenticated) || errors.Is(err, quay.ErrForbidden) {
		if exists, asked := s.Finder.HasNamespace(ctx, namespace); asked == nil && !exists {
			return s.NoNamespace(namespace)
		}
	}
	return s.Advise(err)
}

// NoNamespace returns the error for a namespace that does not exist.
func (s *Server) NoNamespace(name string) error {
	err := fmt.Errorf("no organization or user is named %q on %s; names are case-sensitive", name, s.Name())
	if slices.Contains(s.aliases, name) {
		return fmt.Errorf("%w; the config file has a server of that name: --server %s asks it", err, name)
	}
	return err
}

// advise adds to an error of a connection what the user can do about it.
func advise(err error) error {
	if what := whatToDo(err, "use --plain-http, or the http:// URL with --server"); what != "" {
		return fmt.Errorf("%w; %s", err, what)
	}
	return err
}

// Unreached returns the error of a destination that does not answer.
func Unreached(destination, host string, err error) error {
	what := cmp.Or(whatToDo(err, fmt.Sprintf("it answers in plain HTTP: name %s in the config file with plain_http: true", host)), checkHost)
	return fmt.Errorf("destination %q does not answer, and nothing was copied: %w; %s", destination, err, what)
}

// connectionAdvice returns what the user can do about an error of a registry's connection,
// or "".
func connectionAdvice(host string, err error) string {
	what := whatToDo(err, "it answers in plain HTTP: set plain_http in the config file, or use --plain-http for a source")
	if what == "" {
		return ""
	}
	return host + " cannot be reached: " + what
}

const checkHost = "check the host and its port, and that a server runs there"

// whatToDo returns what the user can do about an error of a connection, or "". plainHTTP is
// the advice for a server that answers TLS in HTTP.
func whatToDo(err error, plainHTTP string) string {
	if _, proxy := errors.AsType[*transport.ProxyError](err); proxy {
		return "check the proxy's address in the environment; NO_PROXY lists hosts to reach without it"
	}
	dns, _ := errors.AsType[*net.DNSError](err)
	if dns != nil && dns.IsNotFound {
		return fmt.Sprintf("check how %s is spelled, and that this machine's DNS knows it", dns.Name)
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dns == nil && dial.Op == "dial" && !dial.Timeout() {
		return checkHost
	}
	if _, untrusted := errors.AsType[x509.UnknownAuthorityError](err); untrusted {
		return "trust its authority with --ca-file"
	}
	if speaksHTTP(err) {
		return plainHTTP
	}
	return ""
}

// speaksHTTP reports whether TLS was answered in HTTP.
func speaksHTTP(err error) bool {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	return errors.Is(err, http.ErrSchemeMismatch) || ok && string(record.RecordHeader[:]) == "HTTP/"
}

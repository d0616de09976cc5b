// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/transport"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

// The exit codes. They are part of the command's interface.
const (
	exitDone        = 0
	exitNo          = 1
	exitUsage       = 2
	exitPart        = 3
	exitAuth        = 4
	exitFailed      = 5
	exitEmpty       = 6
	exitInterrupted = 130
)

// interrupted says why a command ended that was told to.
const interrupted = "interrupted"

// ExitCodes describes the exit codes, one a line, for help and manual pages.
func ExitCodes() string {
	return strings.Join([]string{
		"    0  done",
		"    1  the answer is no (has, and find with --fail-absent)",
		"    2  the command line, a pattern or the config file is wrong",
		"    3  done in part: something is unknown or failed, an image that the",
		"       command names is absent, or the server did not know the token;",
		"       each is named",
		"    4  authentication: no token, or one that may not do this",
		"    5  failed: also a namespace that does not exist, and --timeout",
		"    6  nothing matched: copy, info and verify without --allow-empty,",
		"       the others with --fail-empty",
		"  130  interrupted",
	}, "\n")
}

// advise adds to an error what the command line can do about it. token reports
// whether there is one already.
func advise(err error, token bool) error {
	if what := unreachable(err); what != "" {
		return fmt.Errorf("%w; %s", err, what)
	}
	switch _, untrusted := errors.AsType[x509.UnknownAuthorityError](err); {
	case untrusted:
		return fmt.Errorf("%w; --ca-file adds one", err)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%w; --plain-http speaks it, or the http:// URL with --server", err)
	}
	if errors.Is(err, quay.ErrUnauthenticated) && !token {
		return fmt.Errorf("%w; a token is given in $QUAYSIDE_TOKEN or with --token-file", err)
	}
	return err
}

// unreachable says what to check when a proxy is in the way or a host has no
// address, or nothing.
func unreachable(err error) string {
	if _, proxy := errors.AsType[*transport.ProxyError](err); proxy {
		return "check the proxy's address in the environment; NO_PROXY lists hosts to reach without it"
	}
	dns, _ := errors.AsType[*net.DNSError](err)
	if dns != nil && dns.IsNotFound {
		return fmt.Sprintf("check how %s is spelled, and that this machine's DNS knows it", dns.Name)
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dns == nil && dial.Op == "dial" && !dial.Timeout() {
		return "check the host and its port, and that a server runs there"
	}
	return ""
}

// remedy says what the command line can do about an error of a registry's
// connection, or nothing.
func remedy(host string, err error) string {
	if what := unreachable(err); what != "" {
		return host + " cannot be reached: " + what
	}
	switch _, untrusted := errors.AsType[x509.UnknownAuthorityError](err); {
	case untrusted:
		return fmt.Sprintf("the certificate of %s is signed by an authority that is not known here: --ca-file adds one", host)
	case speaksHTTP(err):
		return fmt.Sprintf("%s answers in plain HTTP: plain_http in the config file speaks it, or --plain-http to a source", host)
	}
	return ""
}

// speaksHTTP tells whether the error is that TLS was answered in HTTP.
func speaksHTTP(err error) bool {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && string(record.RecordHeader[:]) == "HTTP/"
}

// A status is an error that has its own exit code. Without a cause it has
// nothing more to say: all was said where it was made.
type status struct {
	code  int
	cause error
}

func (s *status) Error() string {
	if s.cause == nil {
		return fmt.Sprintf("exit code %d", s.code)
	}
	return s.cause.Error()
}

func (s *status) Unwrap() error { return s.cause }

// usagef makes the error of a wrong command line.
func usagef(format string, args ...any) error {
	return &status{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode gives the code an error ends the command with.
func exitCode(err error) int {
	var s *status
	var syntax *ref.SyntaxError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &s):
		return s.code
	case errors.As(err, &syntax), errors.Is(err, quay.ErrInvalid):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, quay.ErrUnauthenticated), errors.Is(err, quay.ErrForbidden), errors.Is(err, registry.ErrDenied):
		return exitAuth
	}
	return exitFailed
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package session knows the servers of one command: the config file, what flags and the
// environment say, which token belongs to which server, and a client for each.
//
//   - session.go: Session and its Options. config.go: the config file.
//   - server.go: Server, a Quay server that is asked. token.go: which token it gets.
//   - registries.go: the registries that images are pulled from and pushed to.
//     traffic.go: what was sent to them, and what holds them up.
//   - advice.go: what a user can do about an error of a connection.
//   - files.go: files that flags name, which may be pipes.
//
// A token goes only to the server it belongs to. An error of the command line or the config
// file is a *UsageError. A Session connects servers in one goroutine; what it
// returns is safe for concurrent use.
package session

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/quayside/quayside/internal/redact"
)

// A UsageError is a mistake on the command line or in the config file.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a *UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Settings are the flags that say which servers are asked, and how.
type Settings struct {
	Server      string   // of --server: a URL, a host or a name in the config file; "" is quay.io
	TokenFile   string   // of the token for Server; "-" is standard input
	CAFiles     []string // PEM files, in addition to the system's certificates
	PlainHTTP   bool     // for servers without a scheme
	Connections int
	Rate        float64 // requests a second; 0 is what the server admits
	Burst       int
}

// A Console receives what the user should know.
type Console interface {
	Warn(format string, args ...any)
	Note(format string, args ...any)
}

// Options make a Session.
type Options struct {
	Settings  Settings
	Config    Config
	Env       func(string) (string, bool)
	Stdin     io.Reader
	Console   Console
	Logger    *slog.Logger
	Redactor  *redact.Redactor // learns every token
	UserAgent string           // of requests to registries
}

// A Session holds the servers of one command.
type Session struct {
	Options
	servers    map[string]*Server
	tokenRead  bool                          // a server gets the token of --token-file
	roots      map[string]*x509.CertPool     // by the CA files they were read from
	transports map[string]*registryTransport // by scheme and host
}

// New returns a Session. Nothing is read or sent.
func New(o Options) *Session {
	return &Session{
		Options: o, servers: map[string]*Server{}, roots: map[string]*x509.CertPool{},
		transports: map[string]*registryTransport{},
	}
}

// Close closes all connections. A nil Session has none.
func (s *Session) Close() {
	if s == nil {
		return
	}
	for _, server := range s.servers {
		server.Client.Close()
	}
	for _, t := range s.transports {
		t.close()
	}
}

// LastError returns why one of the servers did not answer of late, or "".
func (s *Session) LastError() (why string) {
	if s == nil {
		return ""
	}
	for _, server := range s.servers {
		why = max(why, server.Client.Pace().LastError)
	}
	return why
}

// trusted returns the system's certificates and those of PEM files. Each set of files is
// read once: a file may be a pipe.
func (s *Session) trusted(ctx context.Context, files []string) (*x509.CertPool, error) {
	key := strings.Join(files, "\x00")
	if pool := s.roots[key]; pool != nil {
		return pool, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system certificates: %w", err)
	}
	for _, file := range files {
		text, _, err := ReadFile(ctx, file, maxCA)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil:
			return nil, Usagef("CA file: %w", err)
		case !pool.AppendCertsFromPEM(text):
			return nil, Usagef("CA file %s: no PEM certificate in it", file)
		}
	}
	s.roots[key] = pool
	return pool, nil
}

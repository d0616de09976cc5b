// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/quayside/quayside/internal/redact"
)

// applicationUser is the user whose password is an application token (doc/quay-api.md,
// "Recorded").
const applicationUser = "$oauthtoken"

// maxToken limits what is read of a token file. Quay's tokens have 40 characters
// (doc/quay-api.md section 4).
const maxToken = 64 << 10

// tokenOfChosen returns the token of --server's server: of --token-file, then of the config
// file's entry, then of the environment.
func (s *Session) tokenOfChosen(ctx context.Context, host string, entry *ConfigServer) (redact.Secret, error) {
	given, _ := s.Env("QUAYSIDE_TOKEN")
	switch {
	case s.Settings.TokenFile != "":
		s.tokenRead = true
		return s.readToken(ctx, s.Settings.TokenFile)
	case entry != nil && entry.TokenFile+entry.TokenEnv != "":
		if given != "" && entry.TokenEnv != "QUAYSIDE_TOKEN" {
			s.Console.Note("the config file names a token for this server: that token is used, and $QUAYSIDE_TOKEN is not")
		}
		return s.tokenOfEntry(ctx, host, *entry)
	}
	return redact.NewSecret(strings.TrimSpace(given)), nil
}

func (s *Session) tokenOfEntry(ctx context.Context, name string, entry ConfigServer) (redact.Secret, error) {
	switch {
	case entry.TokenFile != "":
		return s.readToken(ctx, entry.TokenFile)
	case entry.TokenEnv != "":
		token, _ := s.Env(entry.TokenEnv)
		if strings.TrimSpace(token) == "" {
			return redact.Secret{}, Usagef("config: server %q: its token_env %s is not set", name, entry.TokenEnv)
		}
		return redact.NewSecret(strings.TrimSpace(token)), nil
	}
	return redact.Secret{}, nil
}

// CheckTokens is called with all the servers of a command before anything is sent. A
// token of --token-file that no server gets is an error. A token of the environment may be
// there for other commands: a warning says which server does not get it.
func (s *Session) CheckTokens(servers ...*Server) error {
	chosen, _, err := s.chosen()
	if err != nil || len(servers) == 0 {
		return err
	}
	home, source := hostOf(chosen.url), "$QUAYSIDE_TOKEN"
	if s.Settings.TokenFile != "" {
		source = "--token-file"
		if host := servers[0].Host; !s.tokenRead {
			return Usagef("the token of --token-file is for %s, and %s is asked: --server %s sends the token to %s", home, host, host, host)
		}
	}
	warned := map[string]bool{}
	for _, server := range servers {
		if host := server.Host; server.endpoint.tokenHost != "" && !warned[host] {
			warned[host] = true
			s.Console.Warn("the token of %s is for %s, and %s is asked without a token: private images there are not found; "+
				"--server %s sends the token to %s, and the config file can name a token for each server", source, home, host, host, host)
		}
	}
	return nil
}

// readToken reads a token from a file, or from standard input if the name is "-".
func (s *Session) readToken(ctx context.Context, file string) (redact.Secret, error) {
	text, info, err := []byte(nil), os.FileInfo(nil), error(nil)
	if file == "-" {
		text, err = readAll(ctx, io.LimitReader(s.Stdin, maxToken+1))
	} else {
		text, info, err = ReadFile(ctx, file, maxToken)
		if wrong, ok := errors.AsType[*fs.PathError](err); ok && !strings.ContainsAny(file, `/\`) {
			err = fmt.Errorf("%w; --token-file needs the name of a file, not the token", wrong.Err) // file may be a token
		}
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			s.Console.Warn("token file %s can be read by other users: run chmod 600 %s", file, file)
		}
	}
	text = bytes.TrimSpace(text)
	switch {
	case err != nil && ctx.Err() != nil:
		return redact.Secret{}, err
	case err != nil:
		return redact.Secret{}, Usagef("token file: %w", err)
	case len(text) == 0:
		return redact.Secret{}, Usagef("token file %s: it is empty", file)
	case len(text) > maxToken:
		return redact.Secret{}, Usagef("token file %s: too long for a token", file)
	}
	s.Redactor.Add(string(text))
	return redact.NewSecret(string(text)), nil
}

// readAll reads to the end, or until ctx ends: on a terminal nobody may ever type the end of
// the input. The read itself cannot be stopped; it ends with the process.
func readAll(ctx context.Context, in io.Reader) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(in)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// HideEnvironment makes a redactor hide the secrets of the environment: the token, which a
// user may type in a wrong place, and the passwords in the addresses of proxies. Errors
// repeat an address that is invalid, so the passwords are looked for in those too.
func HideEnvironment(r *redact.Redactor, env func(string) (string, bool)) {
	token, _ := env("QUAYSIDE_TOKEN")
	r.Add(strings.TrimSpace(token))
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		address, _ := env(name)
		r.AddAddress(address)
	}
}

// HideArguments hides the tokens that a user wrote into arguments, such as ?token=VALUE. No
// argument may have one, and the error of an argument often repeats it.
func HideArguments(r *redact.Redactor, args []string) {
	for _, arg := range args {
		for {
			i := strings.Index(strings.ToLower(arg), "token=")
			if i < 0 {
				break
			}
			arg = arg[i+len("token="):]
			value, _, _ := strings.Cut(arg, "&")
			r.Add(value)
		}
	}
}

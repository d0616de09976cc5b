// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

// An exitCode is an exit code of the command. Scripts rely on the codes.
type exitCode int

// The exit codes. exitCodes describes them.
const (
	exitDone        exitCode = 0
	exitNo          exitCode = 1
	exitUsage       exitCode = 2
	exitPart        exitCode = 3
	exitAuth        exitCode = 4
	exitFailed      exitCode = 5
	exitEmpty       exitCode = 6
	exitInterrupted exitCode = 130
)

// complete reports whether the code means that everything asked for was copied.
func (c exitCode) complete() bool { return c == exitDone || c == exitEmpty }

// error returns an error that has the code and no message, for a failure that was already
// reported. It returns nil for exitDone.
func (c exitCode) error() error {
	if c == exitDone {
		return nil
	}
	return &status{code: c}
}

// interrupted is the error of a command that was interrupted.
const interrupted = "interrupted"

// ExitCodes describes the exit codes, one a line, for help and manual pages.
func ExitCodes() string {
	var b strings.Builder
	for _, e := range []struct {
		code exitCode
		text string
	}{
		{exitDone, "done"},
		{exitNo, "the answer is no (has, and find with --fail-absent)"},
		{exitUsage, "the command line, a pattern or the config file is wrong"},
		{exitPart, "done in part: something is unknown or failed, an image that the command\n" +
			"       names is absent, or the server does not know the token; each is named"},
		{exitAuth, "authentication: a token is missing, or it may not do this"},
		{exitFailed, "failed; also a namespace that does not exist, and --timeout"},
		{exitEmpty, "nothing matched: copy, info and verify without --allow-empty, the others\n       with --fail-empty"},
		{exitInterrupted, "interrupted"},
	} {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// A status is an error with an exit code of its own. Without a cause, the error has already
// been reported.
type status struct {
	code  exitCode
	cause error
}

func (s *status) Error() string {
	if s.cause == nil {
		return fmt.Sprintf("exit code %d", s.code)
	}
	return s.cause.Error()
}

func (s *status) Unwrap() error { return s.cause }

// usagef returns the error of a wrong command line.
func usagef(format string, args ...any) error {
	return session.Usagef(format, args...)
}

// exitCodeOf returns the code that an error ends the command with.
func exitCodeOf(err error) exitCode {
	var s *status
	var usage *session.UsageError
	var syntax *ref.SyntaxError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &s):
		return s.code
	case errors.As(err, &usage), errors.As(err, &syntax), errors.Is(err, quay.ErrInvalid):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, quay.ErrUnauthenticated), errors.Is(err, quay.ErrForbidden), errors.Is(err, registry.ErrDenied):
		return exitAuth
	}
	return exitFailed
}

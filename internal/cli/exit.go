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

// usagef returns the error of a wrong command line.
func usagef(format string, args ...any) error {
	return session.Usagef(format, args...)
}

// exitCode gives the code an error ends the command with.
func exitCode(err error) int {
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

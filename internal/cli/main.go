// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cli is the command quayside: it parses a command line, calls the library, and
// renders the answer.
//
// Each command has a file: repos.go, tags.go, has.go, find.go, info.go, copy.go, verify.go,
// layout.go, demo.go, version.go, completion.go. The others are:
//
//   - main.go: Main, the whole command as a function. root.go: the command tree.
//     help.go and suggest.go: help texts and "did you mean".
//   - flags.go: flags and their defaults. mistaken.go: arguments that are no patterns.
//   - search.go: from arguments to images. summary.go: what became of a search.
//     label.go, parallel.go, progress.go: its parts. list.go: repositories and tags.
//   - copydest.go, copyrun.go, copyplan.go, copyreport.go, reportfile.go, events.go,
//     overlap.go: the parts of copy.
//   - output.go: standard output. exit.go: the exit codes.
//
// Its neighbours: session knows servers and tokens, console writes to standard error, report
// renders answers. The package has no state: no package variables, no init. It links nothing
// that only generates documents.
package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"syscall"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/ref"
)

// An app is one run of the command.
type app struct {
	stdin   io.Reader
	out     *output
	console *console.Console
	env     func(string) (string, bool)
	flags   flags
	session *session.Session // nil until the flags have been read, and for commands without servers

	// configFolder returns the folder of the user's config file, cacheFolder that of files
	// that can be made again.
	configFolder, cacheFolder func() (string, error)
	// stdoutTTY is true if standard output is a terminal. columns returns its width, and is
	// nil if the width does not matter.
	stdoutTTY bool
	columns   func() int
}

// Main runs the command with its arguments, without the program's name, and returns its exit
// code. It reads environment variables through env only and ends early if ctx ends. All its
// goroutines have ended when it returns.
//
// Main calls each function of captured with a writer for the standard library's own logger.
// That logger is global, and net/http would log what a server sends unasked to standard
// error (doc/adr/0022).
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) (string, bool),
	captured ...func(io.Writer)) int {
	a := newApp(stdin, stdout, stderr, env)
	for _, capture := range captured {
		capture(a.console.StandardLog())
	}
	a.configFolder, a.cacheFolder = os.UserConfigDir, os.UserCacheDir
	if a.stdoutTTY = console.IsTerminal(stdout); a.stdoutTTY {
		a.columns = func() int { return console.Width(stdout) }
	}
	return int(a.run(ctx, args))
}

func newApp(stdin io.Reader, stdout, stderr io.Writer, env func(string) (string, bool)) *app {
	c := console.New(stderr, env)
	session.HideEnvironment(c.Redactor, env)
	return &app{
		stdin:        stdin,
		out:          newOutput(stdout),
		console:      c,
		env:          env,
		configFolder: func() (string, error) { return "", errors.New("no config folder") },
		cacheFolder:  func() (string, error) { return "", errors.New("no cache folder") },
	}
}

// run runs the command and returns the exit code of its error.
func (a *app) run(ctx context.Context, args []string) exitCode {
	defer func() { a.session.Close() }()
	session.HideArguments(a.console.Redactor, args)
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.out)
	root.SetErr(a.console)
	err := root.ExecuteContext(ctx)
	a.console.JSON = a.console.JSON || asksForJSON(args) // also of a command line that is wrong
	switch flushed := a.out.Flush(); {
	case flushed == nil:
	case !brokenPipe(flushed):
		a.console.Fail("cannot write to standard output: %v", flushed)
		return exitFailed
	case err == nil, brokenPipe(err):
		return exitDone // the reader needs no more
	}
	code := exitCodeOf(err)
	var s *status
	switch {
	case err == nil, errors.As(err, &s) && s.cause == nil:
	case code == exitInterrupted:
		a.console.Fail(interrupted)
	default:
		a.fail(err)
	}
	return code
}

// fail reports an error, in JSON with the place of a mistake in a pattern.
func (a *app) fail(err error) {
	syntax, ok := errors.AsType[*ref.SyntaxError](err)
	if !ok || !a.console.JSON {
		a.console.Fail("%v", err)
		return
	}
	a.console.Say(slog.LevelError, console.Error, syntax.Msg, slog.String("input", syntax.Input), slog.Int("offset", syntax.Offset))
}

// asksForJSON reports whether a command line has --log-format json. A mistake before the flag
// keeps the flag library from reading it.
func asksForJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--log-format=json" || arg == "--log-format" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// brokenPipe reports whether the reader of standard output has closed it, as head does.
func brokenPipe(err error) bool {
	const windowsBrokenPipe, windowsNoData = syscall.Errno(109), syscall.Errno(232)
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || runtime.GOOS == "windows" &&
		(errors.Is(err, windowsBrokenPipe) || errors.Is(err, windowsNoData))
}

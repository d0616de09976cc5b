// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
)

// Command returns the command tree for generating documents. Main runs the command.
func Command() *cobra.Command {
	return newApp(strings.NewReader(""), discard{}, discard{}, func(string) (string, bool) { return "", false }).root()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "quayside",
		Short: "Find which images of a Quay organization carry a tag",
		Long: `quayside answers "which images of this Quay organization carry this tag?" and
copies them. Results go to standard output, messages to standard error.

A token is an OAuth application token of Quay. Create one in the web interface,
under the organization's Applications. Robot accounts do not work on Quay's
REST API. Put the token in $QUAYSIDE_TOKEN or in a file for --token-file; it is
sent only to the server that it is for.`,
		Example: `  # See how it works, without a network.
  quayside demo

  # Every image of a release.
  quayside find 'quay.io/openstack.kolla/*:2025.1'

  # Does one image carry the tag? The exit code is the answer.
  quayside has quay.io/openstack.kolla/nova-api:2025.1`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              a.subcommand,
	}
	root.Flags().SortFlags = false
	var versioned bool
	root.Flags().BoolVar(&versioned, "version", false, "print the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if versioned {
			return a.printVersion("text")
		}
		return cmd.Help()
	}
	a.flags.global(root)
	root.SetHelpFunc(help)
	root.SetHelpCommand(a.helpCommand())
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(a.reposCommand(), a.tagsCommand(), a.hasCommand(), a.findCommand(), a.infoCommand(),
		a.copyCommand(), a.verifyCommand(), a.layoutCommand(), a.demoCommand(), a.versionCommand(), a.completionCommand())
	strict(root)
	return root
}

// subcommand refuses an unknown command and suggests similar commands.
func (a *app) subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(),
		didYouMean(cmd, cmd.SuggestionsFor(args[0])...))
}

// exactly requires one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usagef("%s takes no arguments, and got %q%s", cmd.CommandPath(), args[0], didYouMean(cmd))
		}
		return usagef("%s needs %s, and got %s%s", cmd.CommandPath(), strings.Join(names, " and "),
			report.Quantity(len(args), "argument"), didYouMean(cmd))
	}
}

// A timeoutError is the cause of a context that --timeout has ended.
type timeoutError struct {
	after     time.Duration
	lastError func() string // why the latest request got no answer, or ""
}

func (e *timeoutError) Error() string {
	text := fmt.Sprintf("gave up after %s (--timeout)", e.after)
	if why := e.lastError(); why != "" {
		text += "; " + session.LastErrorPrefix + why
	}
	return text
}

func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// asking prepares a command that asks a server: config file, defaults, log and time limit. A
// limit of the command line covers reading the config file.
func (a *app) asking(run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := a.limited(cmd.Context())
		defer func() { cancel() }()
		limited := a.flags.timeout > 0
		err := a.prepare(ctx, cmd)
		if err == nil && !limited {
			ctx, cancel = a.limited(ctx)
		}
		if err == nil {
			trimmed := make([]string, len(args))
			for i, arg := range args {
				trimmed[i] = strings.TrimSpace(arg) // pasted text has spaces and line breaks
			}
			err = run(ctx, trimmed)
		}
		var late *timeoutError
		if err != nil && errors.As(context.Cause(ctx), &late) && errors.Is(err, context.DeadlineExceeded) {
			return &status{exitFailed, late}
		}
		return err
	}
}

// limited bounds a context by --timeout.
func (a *app) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	d := a.flags.timeout
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, &timeoutError{d, func() string { return a.session.LastError() }})
}

// prepare reads the config file, applies defaults and checks the flags.
func (a *app) prepare(ctx context.Context, cmd *cobra.Command) error {
	a.console.Setup(a.flags.console())
	config, err := session.ReadConfig(ctx, a.flags.config, a.configFolder)
	if err != nil {
		return err
	}
	a.applyDefaults(cmd, config.Defaults)
	a.console.Setup(a.flags.console())
	a.session = session.New(session.Options{
		Settings: a.flags.Settings, Config: config, Env: a.env, Stdin: a.stdin,
		Console: a.console, Logger: a.console.Log, Redactor: a.console.Redactor, UserAgent: userAgent(),
	})
	return a.checkFlags(cmd, config.Defaults)
}

func (a *app) checkFlags(cmd *cobra.Command, d session.Defaults) error {
	source := func(flag string, inConfig bool) string {
		if inConfig && !cmd.Flags().Changed(flag) {
			return "config: defaults." + strings.ReplaceAll(flag, "-", "_")
		}
		return "--" + flag
	}
	switch {
	case a.flags.jobs < 1 || a.flags.jobs > discover.MaxJobs:
		return usagef("%s is %d, and must be from 1 to %d", source("jobs", d.Jobs != nil), a.flags.jobs, discover.MaxJobs)
	case a.flags.Connections < 1 || a.flags.Connections > quay.MaxConnections:
		return usagef("--connections is %d, and must be from 1 to %d", a.flags.Connections, quay.MaxConnections)
	case !(a.flags.Rate >= 0) || math.IsInf(a.flags.Rate, 0):
		return usagef("--rate is %v, and must be a number from 0", a.flags.Rate)
	case a.flags.Burst < 0:
		return usagef("--burst is %d, and must not be negative", a.flags.Burst)
	case a.flags.timeout < 0:
		return usagef("%s is %s, and must not be negative", source("timeout", d.Timeout != nil), a.flags.timeout)
	case a.flags.logFormat != "text" && a.flags.logFormat != "json":
		return usagef("%s is %q, and must be text or json", source("log-format", d.LogFormat != nil), a.flags.logFormat)
	}
	return nil
}

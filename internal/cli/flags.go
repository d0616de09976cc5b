// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
)

// flags are the values of the command line, or of the config file.
type flags struct {
	session.Settings
	jobs int

	timeout   time.Duration
	quiet     bool
	verbose   verbosity
	logFormat string
	config    string

	output     string
	configured bool // output comes from the config file
	template   string
	failEmpty  bool
}

// global adds the flags that every command has.
func (f *flags) global(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.SortFlags = false
	p.StringVar(&f.Server, "server", "", "server to ask: a URL, a host or a name in the config file (default $QUAYSIDE_SERVER, then quay.io)")
	p.StringVar(&f.TokenFile, "token-file", "", "file with the API token for the server, or - for standard input (default $QUAYSIDE_TOKEN)")
	p.StringArrayVar(&f.CAFiles, "ca-file", nil, "PEM `file` with more certificates to trust; may be repeated")
	p.BoolVar(&f.PlainHTTP, "plain-http", false, "use HTTP, not HTTPS, for servers without a scheme")
	p.IntVarP(&f.jobs, "jobs", "j", discover.DefaultJobs, "repositories to check at once")
	p.IntVar(&f.Connections, "connections", quay.DefaultConnections, "most HTTP/2 connections to a server, from 1 to 16")
	p.Float64Var(&f.Rate, "rate", 0, "most requests a second (default what the server admits)")
	p.IntVar(&f.Burst, "burst", 0, "requests at once before --rate applies (default one second of --rate, or what Quay publishes)")
	p.DurationVar(&f.timeout, "timeout", 0, "end the command after this time, such as 90s or 5m (default none)")
	p.BoolVarP(&f.quiet, "quiet", "q", false, "write only errors and warnings to standard error")
	p.VarP(&f.verbose, "verbose", "v", "log what is done; given twice: every HTTP request")
	p.Lookup("verbose").NoOptDefVal = "true"
	p.StringVar(&f.logFormat, "log-format", "text", "format of standard error: text or json")
	p.StringVar(&f.config, "config", "", "config file (default quayside/config.yaml in the user's config folder)")
	complete(cmd, "log-format", "text", "json")
}

// console returns the options of standard error.
func (f *flags) console() console.Options {
	return console.Options{Quiet: f.quiet, JSON: f.logFormat == "json", Verbosity: int(f.verbose)}
}

// applyDefaults sets flags that are not on the command line: from the environment, then from
// the config file.
func (a *app) applyDefaults(cmd *cobra.Command, d session.Defaults) {
	if name, _ := a.env("QUAYSIDE_SERVER"); name != "" {
		d.Server = &name
	}
	fill(cmd, "server", &a.flags.Server, d.Server)
	fill(cmd, "jobs", &a.flags.jobs, d.Jobs)
	fill(cmd, "timeout", &a.flags.timeout, d.Timeout)
	fill(cmd, "log-format", &a.flags.logFormat, d.LogFormat)
	if cmd.Flags().Lookup("template") != nil && !cmd.Flags().Changed("template") {
		fill(cmd, "output", &a.flags.output, d.Output)
		a.flags.configured = d.Output != nil && !cmd.Flags().Changed("output")
	}
}

func fill[T any](cmd *cobra.Command, flag string, to, from *T) {
	if from != nil && !cmd.Flags().Changed(flag) {
		*to = *from
	}
}

// A verbosity counts how often its flag is given. Its type is bool for the flag library, so
// that the flag needs no value.
type verbosity int

func (v *verbosity) Set(text string) error {
	if given, err := strconv.ParseBool(text); err != nil || !given {
		return valueError("has no value, and may be given twice")
	}
	*v++
	return nil
}

func (*verbosity) Type() string   { return "bool" }
func (*verbosity) String() string { return "false" }

// A single is the value of a flag that may be given once and must not be empty. An unset
// shell variable makes an empty value, which would otherwise count as no flag.
type single struct {
	pflag.Value
	many  bool // may be repeated
	given bool
}

// A choice is the value of a flag that is one of a few words.
type choice struct {
	word  *string
	words []string
}

func (c choice) String() string { return *c.word }
func (c choice) Type() string   { return "string" }

func (c choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return valueError(fmt.Sprintf("is %q, and must be %s", text, alternatives(c.words)))
	}
	*c.word = text
	return nil
}

// alternatives writes a list of words with "or" before the last.
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// addChoice adds a flag whose value is one of a few words. The variable has the default.
func addChoice(cmd *cobra.Command, to *string, name, shorthand, usage string, words ...string) {
	cmd.Flags().VarP(choice{to, words}, name, shorthand, usage)
	complete(cmd, name, words...)
}

// addDocument adds the flag that chooses between text for people and a JSON document.
func addDocument(cmd *cobra.Command, asJSON *string, what string) {
	*asJSON = "text"
	addChoice(cmd, asJSON, "output", "o", what+": text or json", "text", "json")
}

// A valueError describes an invalid value of a flag. Its text follows the name of the flag.
type valueError string

func (e valueError) Error() string { return string(e) }

func (s *single) Set(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return valueError("is empty: give it a value, or leave it out")
	case s.given && !s.many:
		return valueError("is given twice, and may be given once")
	}
	s.given = true
	return s.Value.Set(text)
}

// strict wraps the values of all flags of a command and its subcommands in single.
func strict(cmd *cobra.Command) {
	wrap := func(flag *pflag.Flag) {
		kind := flag.Value.Type()
		if _, done := flag.Value.(*single); done || kind == "bool" {
			return
		}
		many := kind == "stringArray" || kind == "stringSlice"
		if many || flag.DefValue == "0s" {
			flag.DefValue = "" // help texts name no default
		}
		flag.Value = &single{Value: flag.Value, many: many}
	}
	cmd.PersistentFlags().VisitAll(wrap)
	cmd.Flags().VisitAll(wrap)
	for _, child := range cmd.Commands() {
		strict(child)
	}
}

// addFailEmpty adds the flag that makes an empty answer a failure.
func (a *app) addFailEmpty(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.flags.failEmpty, "fail-empty", false, "exit with 6 if nothing matched")
}

// addAllowEmpty adds the flag that makes an empty answer a success.
func (a *app) addAllowEmpty(cmd *cobra.Command, allow *bool, empty string) {
	cmd.Flags().BoolVar(allow, "allow-empty", false, "exit with 0 instead of 6 if "+empty)
}

// acceptFailEmpty accepts --fail-empty and hides it: it is now the command's default, and
// scripts may still pass it.
func (a *app) acceptFailEmpty(cmd *cobra.Command) {
	a.addFailEmpty(cmd)
	_ = cmd.Flags().MarkHidden("fail-empty") // the only error is a flag that does not exist
}

// empty returns the error of a command that found nothing, or nil if that is a success.
func (a *app) empty() error {
	if a.flags.failEmpty {
		return &status{code: exitEmpty}
	}
	return nil
}

// complete lets the shell complete the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// The only error is a flag that does not exist. Every test of the command would fail.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

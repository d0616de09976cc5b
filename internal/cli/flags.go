// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
)

// flags are the values of the command line, and of the config file where the
// command line is silent.
type flags struct {
	server    string
	tokenFile string
	caFiles   []string
	plainHTTP bool
	jobs      int

	connections int
	rate        float64
	burst       int

	timeout   time.Duration
	quiet     bool
	verbose   verbosity
	logFormat string
	config    string

	output    string
	template  string
	failEmpty bool
}

// global adds the flags that every command has.
func (f *flags) global(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.SortFlags = false
	p.StringVar(&f.server, "server", "", "server to ask: a URL, a host, or a name of the config file (default $QUAYSIDE_SERVER, then quay.io)")
	p.StringVar(&f.tokenFile, "token-file", "", "file with the API token for the server, or - for standard input (default $QUAYSIDE_TOKEN)")
	p.StringArrayVar(&f.caFiles, "ca-file", nil, "PEM `file` with certificates to trust besides the system's; may be repeated")
	p.BoolVar(&f.plainHTTP, "plain-http", false, "speak HTTP, not HTTPS, to servers named without a scheme")
	p.IntVarP(&f.jobs, "jobs", "j", discover.DefaultJobs, "repositories to check at once")
	p.IntVar(&f.connections, "connections", quay.DefaultConnections, "HTTP/2 connections to a server at most, from 1 to 16")
	p.Float64Var(&f.rate, "rate", 0, "requests a second at most (default what the server admits)")
	p.IntVar(&f.burst, "burst", 0, "requests at once before the rate holds (default one second of --rate, or what Quay publishes)")
	p.DurationVar(&f.timeout, "timeout", 0, "end the whole command after this time, such as 90s or 5m (default none)")
	p.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors and warnings on standard error")
	p.VarP(&f.verbose, "verbose", "v", "log what is done; twice: every HTTP request")
	p.Lookup("verbose").NoOptDefVal = "true"
	p.StringVar(&f.logFormat, "log-format", "text", "how standard error is written: text or json")
	p.StringVar(&f.config, "config", "", "config file (default quayside/config.yaml in the user's config folder)")
	complete(cmd, "log-format", "text", "json")
}

// A verbosity counts how often its flag is given. To help texts it is a bool,
// which takes no value.
type verbosity int

func (v *verbosity) Set(text string) error {
	if given, err := strconv.ParseBool(text); err != nil || !given {
		return errors.New("it takes no value, and may be given twice")
	}
	*v++
	return nil
}

func (*verbosity) Type() string   { return "bool" }
func (*verbosity) String() string { return "false" }

// A single is the value of a flag that is given once at most, and not empty. A
// shell variable that is not set makes an empty value, which would be taken for
// no flag at all.
type single struct {
	flagValue
	many  bool // may be repeated
	given bool
}

// flagValue is what the flag library has for a value.
type flagValue interface {
	String() string
	Set(text string) error
	Type() string
}

// errFlag is the error of a flag that is given in a wrong way, whatever its value.
var errFlag = errors.New("flag")

func (s *single) Set(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%w is empty: give it a value, or leave it out", errFlag)
	case s.given && !s.many:
		return fmt.Errorf("%w is given twice, and has one value", errFlag)
	}
	s.given = true
	return s.flagValue.Set(text)
}

// strict makes the flags of a command, and of those beneath it, refuse empty
// values and a second one.
func strict(cmd *cobra.Command) {
	for _, set := range []interface{ FlagUsages() string }{cmd.PersistentFlags(), cmd.Flags()} {
		for name := range namesIn(set.FlagUsages()) {
			flag := cmd.Flags().Lookup(name)
			if flag == nil {
				flag = cmd.PersistentFlags().Lookup(name)
			}
			kind := flag.Value.Type()
			if _, done := flag.Value.(*single); done || kind == "bool" {
				continue
			}
			many := kind == "stringArray" || kind == "stringSlice"
			if many || flag.DefValue == "0s" {
				flag.DefValue = "" // help texts name no default
			}
			flag.Value = &single{flagValue: flag.Value, many: many}
		}
	}
	for _, child := range cmd.Commands() {
		strict(child)
	}
}

// addFailEmpty adds the flag that makes an empty answer a failure.
func (a *app) addFailEmpty(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.flags.failEmpty, "fail-empty", false, "exit with 6 when nothing matched")
}

// addAllowEmpty adds the flag that makes an empty answer a success, to a command
// whose user expects something. Such a command took --fail-empty before.
func (a *app) addAllowEmpty(cmd *cobra.Command, allow *bool, empty string) {
	cmd.Flags().BoolVar(allow, "allow-empty", false, "exit with 0 instead of 6 when "+empty)
}

// takeFailEmpty lets a command take --fail-empty, which is its default now.
func (a *app) takeFailEmpty(cmd *cobra.Command) {
	a.addFailEmpty(cmd)
	_ = cmd.Flags().MarkHidden("fail-empty") // the only error is a flag that does not exist
}

// empty ends a command that found nothing.
func (a *app) empty() error {
	if a.flags.failEmpty {
		return &status{code: exitEmpty}
	}
	return nil
}

// complete lets the shell offer the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// The only error is a flag that does not exist, which every test of
	// the command would meet.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

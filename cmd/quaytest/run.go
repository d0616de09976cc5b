// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/quayside/quayside/quay/quaytest"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run serves until ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
	case err != nil:
		fail(stderr, fmt.Errorf("%w (see quaytest --help)", err))
		return exitUsage
	case s.listQuirks:
		listQuirks(stdout)
	default:
		if err := s.serve(ctx, stdout); err != nil {
			fail(stderr, err)
			return exitFailed
		}
	}
	return exitDone
}

func fail(w io.Writer, err error) {
	fmt.Fprintf(w, "quaytest: %s\n", strings.TrimPrefix(err.Error(), "quaytest: "))
}

func listQuirks(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, q := range quaytest.QuirkList() {
		name := q.Name
		if q.Value != "" {
			name += "=" + q.Value
		}
		if q.Value == "[WHEN]" {
			name = q.Name + "[=WHEN]"
		}
		fmt.Fprintf(t, "%s\t%s\n", name, q.Help)
		if q.Fact != "" {
			fmt.Fprintf(t, "\tfact: doc/quay-api.md:%d: %s\n", q.Line, q.Fact)
		}
		if q.Invented != "" {
			fmt.Fprintf(t, "\tinvented: %s\n", q.Invented)
		}
	}
	t.Flush()
	fmt.Fprint(w, "\nWHEN is N for one request in N, a glob of paths such as '/v2/**/blobs/*', or N:GLOB.\n"+
		"K is the first K requests for each URL; GLOB selects URLs by their path.\n"+
		"A fact is a line of the project's document about real servers; invented means that no server was seen to do it.\n")
}

func (s *settings) serve(ctx context.Context, stdout io.Writer) (err error) {
	data, err := s.load()
	if err != nil {
		return err
	}
	stats := stdout
	if s.stats != "" {
		file, err := os.Create(s.stats) // before serving, so that a wrong path fails at once
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		stats = file
	}
	server, err := quaytest.NewServer(data, s.options...)
	if err != nil {
		return err
	}
	defer server.Close()
	if s.caOut != "" {
		if err := os.WriteFile(s.caOut, server.CAPEM(), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "listening on %s\n", server.URL())
	<-ctx.Done()
	server.Close()
	e := json.NewEncoder(stats)
	e.SetIndent("", "  ")
	return e.Encode(server.Stats())
}

func (s *settings) load() (*quaytest.Dataset, error) {
	if s.make != nil {
		return s.make(), nil
	}
	if s.dataset == "" {
		return quaytest.SampleDataset(), nil
	}
	file, err := os.Open(s.dataset)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d, err := quaytest.ReadDataset(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.dataset, err)
	}
	return d, nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Quayside tells which images of a Quay organization carry a tag.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/quayside/quayside/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	// A write that nobody reads is an error like others. It is not ignored, which
	// credential helpers would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	log.SetFlags(0)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv, log.SetOutput))
}

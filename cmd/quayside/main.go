// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Quayside finds which images of a Quay organization carry a tag, and copies them.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quayside/quayside/internal/cli"
)

func main() {
	ctx := untilSignal()
	// A write to a closed pipe is an error like others. SIGPIPE is not ignored, because
	// credential helpers would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	log.SetFlags(0)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv, log.SetOutput))
}

// untilSignal returns a context that ends with SIGINT or SIGTERM. A second signal
// ends the process at once. It does not count within a moment of the first:
// timeout(1) signals a process and then its whole group.
func untilSignal() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	return ctx
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Command quaytest runs an embedded Quay, for tests and benchmarks of clients of a Quay.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

const killsName = "kills"

// kills runs the end-to-end test that kills copies, with more kills.
func kills(ctx context.Context, n int) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^TestCopySurvivesKills$", "./cmd/quayside")
	cmd.Env = append(os.Environ(), fmt.Sprintf("QUAYSIDE_KILLS=%d", n))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

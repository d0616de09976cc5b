// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// An outcome is how the commands of one run ended.
type outcome struct {
	wall   time.Duration
	failed int   // commands that failed
	peak   int64 // bytes resident, of the largest process
	last   error // why one of them failed
}

// run runs commands, a number of them at once.
func run(ctx context.Context, commands [][]string, atOnce int, env []string) outcome {
	var (
		o     outcome
		mu    sync.Mutex
		group sync.WaitGroup
		queue = make(chan []string)
	)
	begin := time.Now()
	for range min(atOnce, len(commands)) {
		group.Go(func() {
			for args := range queue {
				size, err := one(ctx, args, env)
				mu.Lock()
				o.peak = max(o.peak, size)
				if err != nil {
					o.failed++
					o.last = err
				}
				mu.Unlock()
			}
		})
	}
	for _, c := range commands {
		queue <- c
	}
	close(queue)
	group.Wait()
	o.wall = time.Since(begin)
	return o
}

// one runs a command and returns its peak memory. The error includes the end of the
// command's output.
func one(ctx context.Context, args, env []string) (int64, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &said, &said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err == nil {
		return peak(cmd.ProcessState), nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	err = fmt.Errorf("%s: %w: %.300s", filepath.Base(args[0]), err, lines[len(lines)-1])
	if cmd.ProcessState == nil {
		return 0, err
	}
	return peak(cmd.ProcessState), err
}

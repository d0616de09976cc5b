// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Command startup measures how long quayside takes to start and how large it
// is: it builds the command stripped, runs `quayside --help` and, as the
// floor beside it, a program that does nothing, in turn, and prints medians.
//
//	go run ./bench/startup
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const runs = 51

const emptyProgram = "package main\n\nfunc main() {}\n"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "quayside-startup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	empty := filepath.Join(dir, "empty.go")
	if err := os.WriteFile(empty, []byte(emptyProgram), 0o600); err != nil {
		return err
	}
	ours, floor := filepath.Join(dir, "quayside"), filepath.Join(dir, "floor")
	for output, source := range map[string]string{ours: "./cmd/quayside", floor: empty} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build %s: %w", source, err)
		}
	}
	info, err := os.Stat(ours)
	if err != nil {
		return err
	}
	var help, nothing []time.Duration
	for range runs {
		took, err := wall(ours, "--help")
		if err != nil {
			return err
		}
		help = append(help, took)
		if took, err = wall(floor); err != nil {
			return err
		}
		nothing = append(nothing, took)
	}
	fmt.Printf("binary            %.1f MB stripped\n", float64(info.Size())/1e6)
	fmt.Printf("quayside --help   %v median of %d\n", median(help), runs)
	fmt.Printf("empty program     %v median of %d\n", median(nothing), runs)
	return nil
}

func wall(name string, args ...string) (time.Duration, error) {
	start := time.Now()
	err := exec.Command(name, args...).Run()
	return time.Since(start), err
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(10 * time.Microsecond)
}

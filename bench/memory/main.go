// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command memory measures how much memory and time a discovery takes as the
// organization grows: `quayside find` against the embedded Quay in a process
// of its own, over TLS and HTTP/2 on loopback, where one repository in ten
// carries the tag.
//
//	go run ./bench/memory [-runs 1] [-sizes 10000,30000,100000,300000,1000000]
//
// It prints the peak resident memory of the command, as the system accounts
// it when the process ends, and the time for each repository.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	runs := flag.Int("runs", 1, "runs of each size; the median counts")
	sizes := flag.String("sizes", "10000,30000,100000,300000,1000000", "numbers of repositories")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *sizes, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, sizes string, runs int) error {
	dir, err := os.MkdirTemp("", "quayside-memory-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"quayside", "quaytest"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, name), "./cmd/"+name)
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	fmt.Println("| repositories | found | wall | for each repository | peak memory of the client |")
	fmt.Println("|---|---|---|---|---|")
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("-sizes: %q is not a number", size)
		}
		if err := measure(ctx, dir, n, runs); err != nil {
			return fmt.Errorf("%d repositories: %w", n, err)
		}
	}
	return nil
}

// A sample is one discovery.
type sample struct {
	found int
	wall  time.Duration
	peak  int64 // bytes resident
}

func measure(ctx context.Context, dir string, n, runs int) error {
	var samples []sample
	for range runs {
		s, err := discover(ctx, dir, n)
		if err != nil {
			return err
		}
		samples = append(samples, s)
	}
	slices.SortFunc(samples, func(a, b sample) int { return int(a.wall - b.wall) })
	s := samples[len(samples)/2]
	peak := slices.MaxFunc(samples, func(a, b sample) int { return int(a.peak - b.peak) }).peak
	fmt.Printf("| %d | %d | %.1f s | %.0f µs | %.1f MiB |\n",
		n, s.found, s.wall.Seconds(), float64(s.wall.Microseconds())/float64(n), float64(peak)/(1<<20))
	return nil
}

func discover(ctx context.Context, dir string, n int) (sample, error) {
	ca := filepath.Join(dir, "ca.pem")
	server := exec.CommandContext(ctx, filepath.Join(dir, "quaytest"),
		"--fleet", fmt.Sprintf("%d,every=10", n), "--tls", "--ca-out", ca, "--stats", os.DevNull)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	if err := server.Start(); err != nil {
		return sample{}, err
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return sample{}, fmt.Errorf("quaytest did not start: %w", err)
	}
	url := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")

	var lines lineCounter
	var said bytes.Buffer
	client := exec.CommandContext(ctx, filepath.Join(dir, "quayside"), "find", "fleet/*:2025.1",
		"--server", url, "--ca-file", ca, "--output", "refs", "--quiet", "--config", os.DevNull)
	client.Stdout, client.Stderr = &lines, &said
	start := time.Now()
	if err := client.Run(); err != nil {
		return sample{}, fmt.Errorf("quayside: %w: %s", err, said.String())
	}
	s := sample{found: int(lines), wall: time.Since(start)}
	if want := (n + 9) / 10; s.found != want {
		return s, fmt.Errorf("quayside found %d images, want %d", s.found, want)
	}
	if usage, ok := client.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" { // bytes on macOS, KiB on other systems
			s.peak <<= 10
		}
	}
	return s, nil
}

// A lineCounter counts the lines written to it, and keeps none.
type lineCounter int

func (c *lineCounter) Write(p []byte) (int, error) {
	*c += lineCounter(bytes.Count(p, []byte("\n")))
	return len(p), nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Command discover measures how long a discovery takes, and compares it with peers and with
// the server's limit. The server is nginx with Quay's published limits in front of the
// embedded Quay, on loopback, with TLS and HTTP/2.
//
//	go run ./bench/discover [-runs 3] [-peer-runs 3] [-only TEXT]
//
// It needs nginx, and python3 for the peer, which it installs into the user's
// cache folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	runs := flag.Int("runs", 3, "runs of quayside; the median counts")
	peerRuns := flag.Int("peer-runs", 3, "runs of the others; 0 leaves them out")
	only := flag.String("only", "", "run the scenarios whose name holds this text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *runs, *peerRuns, *only); err != nil {
		fmt.Fprintln(os.Stderr, "discover:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, runs, peerRuns int, only string) error {
	dir, err := os.MkdirTemp("", "quayside-discover-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bins, err := build(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Println("| scenario | client | wall | limit | wall / limit | wall / quayside | requests | requests/s | 429 | connections | median answer | found | goal |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, s := range scenarios() {
		if !strings.Contains(s.name, only) {
			continue
		}
		if err := s.measure(ctx, bins, dir, runs, peerRuns); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func build(ctx context.Context, dir string) (binaries, error) {
	b := binaries{quayside: filepath.Join(dir, "quayside"), quaytest: filepath.Join(dir, "quaytest")}
	for output, source := range map[string]string{b.quayside: "./cmd/quayside", b.quaytest: "./cmd/quaytest"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", output, source)
		cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := cmd.Run(); err != nil {
			return b, fmt.Errorf("build %s: %w", source, err)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return b, err
	}
	b.python, err = installPeer(ctx, filepath.Join(cache, "quayside-bench"))
	return b, err
}

// A result is the median run of one client.
type result struct {
	client
	wall  time.Duration
	found int
	tally
	err error
}

// measure runs the clients in turn, a number of times, and prints the median run of each.
func (s scenario) measure(ctx context.Context, bins binaries, dir string, runs, peerRuns int) error {
	results := make([][]result, len(s.clients))
	for run := range max(runs, peerRuns) {
		for i, c := range s.clients {
			if others := c.peer || c.ceiling; run >= runs && !others || run >= peerRuns && others {
				continue
			}
			r, err := s.once(ctx, c, bins, dir)
			if err != nil {
				return err
			}
			results[i] = append(results[i], r)
		}
	}
	var rows []result
	for _, r := range results {
		if len(r) == 0 {
			continue
		}
		slices.SortFunc(r, func(a, b result) int { return int(a.wall - b.wall) })
		rows = append(rows, r[len(r)/2])
	}
	best := time.Duration(0)
	for _, r := range rows {
		if r.ceiling && r.err == nil && (best == 0 || r.wall < best) {
			best = r.wall
		}
	}
	for _, r := range rows {
		limit := s.limit(r.client)
		if limit == 0 {
			limit = best
		}
		fmt.Println(s.row(r, limit, rows[0]), s.goals.judge(r, limit, rows), "|")
	}
	return nil
}

// row prints the result of one client, compared with the first client, which is quayside.
func (s scenario) row(r result, limit time.Duration, first result) string {
	beside := "-"
	if !first.peer && !first.ceiling {
		beside = fmt.Sprintf("%.2f", r.wall.Seconds()/first.wall.Seconds())
	}
	ratio := "-"
	if limit > 0 {
		ratio = fmt.Sprintf("%.2f", r.wall.Seconds()/limit.Seconds())
	}
	found := fmt.Sprint(r.found)
	if r.err != nil {
		found = "gave up: " + r.err.Error()
	}
	return fmt.Sprintf("| %s | %s | %.2f s | %.2f s | %s | %s | %d | %.0f | %d (%.1f %%) | %d | %v | %s |",
		s.name, r.name, r.wall.Seconds(), limit.Seconds(), ratio, beside, r.requests, float64(r.requests)/r.wall.Seconds(),
		r.refused, 100*float64(r.refused)/float64(max(r.requests, 1)), r.dials, r.median, found)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

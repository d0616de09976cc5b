// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	namespace = "release"
	tag       = "2025.1"

	rateText = "100MB" // a second, of all answers together
	rate     = 100e6
)

// A release is the content of the source: images that share layers. With shared layers
// counted once they have a third of their size.
type release struct{ images, groups int }

// flag returns the value of quaytest's --release.
func (r release) flag() string {
	return fmt.Sprintf("%d,namespace=%s,tag=%s,groups=%d", r.images, namespace, tag, r.groups)
}

// A quay is the embedded Quay in a process of its own.
type quay struct {
	cmd    *exec.Cmd
	host   string
	caFile string
	stats  string
}

// A tally holds the counts of a quay for one run.
type tally struct {
	Requests int64
	Refused  int64
	Classes  map[string]struct{ Requests, Bytes int64 }
}

// content returns the number of bytes of manifests and blobs that were sent.
func (t tally) content() int64 { return t.blobs() + t.Classes["manifest"].Bytes }

func (t tally) blobs() int64 { return t.Classes["blob"].Bytes + t.Classes["storage"].Bytes }

// startQuay starts a quay on a given port, so that image names are the same in every run.
func startQuay(ctx context.Context, quaytest, dir string, port int, r release, flags ...string) (*quay, error) {
	q := &quay{
		host:   fmt.Sprintf("127.0.0.1:%d", port),
		caFile: filepath.Join(dir, "ca.pem"), stats: filepath.Join(dir, "stats.json"),
	}
	args := append([]string{
		"--listen", q.host, "--release", r.flag(), "--tls", "--ca-out", q.caFile,
		"--object-storage", "--quirk", "keepalive", "--stats", q.stats,
	}, flags...)
	q.cmd = exec.CommandContext(ctx, quaytest, args...)
	q.cmd.Stderr = os.Stderr
	out, err := q.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := q.cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "listening on ") {
		_ = q.cmd.Process.Kill()
		return nil, fmt.Errorf("quaytest did not start: %q, %v, %w", line, err, q.cmd.Wait())
	}
	return q, nil
}

// stop ends the quay and reads its counts.
func (q *quay) stop() (t tally, err error) {
	if err := q.cmd.Process.Signal(os.Interrupt); err != nil {
		return t, err
	}
	if err := q.cmd.Wait(); err != nil {
		return t, fmt.Errorf("quaytest: %w", err)
	}
	text, err := os.ReadFile(q.stats)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	namespace = "fleet"
	tag       = "2025.1"
)

// halfTime is when the limit of a scenario halves.
const halfTime = 10 * time.Second

// once starts a fresh server and front end, and runs one client.
func (s scenario) once(ctx context.Context, c client, bins binaries, parent string) (result, error) {
	dir, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return result{}, err
	}
	backend, err := s.startBackend(ctx, bins.quaytest)
	if err != nil {
		return result{}, err
	}
	defer backend.stop()
	certificate, err := newCertificate(dir)
	if err != nil {
		return result{}, err
	}
	port, err := freePort()
	if err != nil {
		return result{}, err
	}
	front, err := startFront(ctx, frontConfig{
		Dir: dir, Backend: backend.address, Port: port, HTTP2: !s.http1,
		ByAddress: s.byAddress, Rate: s.rate, Burst: s.burst,
	})
	if err != nil {
		return result{}, err
	}
	at := target{
		url: fmt.Sprintf("https://127.0.0.1:%d", port), caFile: certificate.caFile, roots: certificate.roots,
		namespace: namespace, tag: tag, repositories: s.repositories, binaries: bins,
	}
	r := result{client: c}
	start := time.Now()
	if s.halve {
		half := time.AfterFunc(halfTime, func() { _ = front.setRate(s.rate/2, s.burst) })
		defer half.Stop()
	}
	r.found, r.err = c.run(ctx, at)
	r.wall = time.Since(start)
	t, err := front.stop()
	r.tally = t
	return r, errors.Join(err, ctx.Err())
}

// limit returns the shortest time that the server's limit allows: the requests beyond the
// bursts of all connections, at the rate of all connections.
func (s scenario) limit(c client) time.Duration {
	requests := float64((s.repositories+99)/100 + s.repositories)
	if s.capacity > 0 {
		return seconds(requests / float64(s.capacity))
	}
	if s.outage > 0 {
		return s.outage
	}
	if s.rate == 0 {
		return 0
	}
	connections := 1
	if !s.byAddress {
		if connections = c.connections; connections == 0 {
			connections = defaultConnections
		}
	}
	rate, atOnce := float64(s.rate*connections), float64((s.burst+1)*connections)
	left := max(requests-atOnce, 0)
	if before := rate * halfTime.Seconds(); s.halve && left > before {
		return halfTime + seconds((left-before)/(rate/2))
	}
	return seconds(left / rate)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// A backend is the embedded Quay in a process of its own.
type backend struct {
	cmd     *exec.Cmd
	address string
}

func (s scenario) startBackend(ctx context.Context, quaytest string) (*backend, error) {
	args := []string{
		"--fleet", fmt.Sprintf("%d,namespace=%s,tag=%s", s.repositories, namespace, tag),
		"--latency", s.latency.String(), "--quirk", "keepalive", "--stats", os.DevNull,
	}
	if s.capacity > 0 {
		args = append(args, "--quirk", fmt.Sprintf("capacity=%d", s.capacity))
	}
	if s.outage > 0 {
		args = append(args, "--quirk", fmt.Sprintf("outage=%v:429", s.outage))
	}
	cmd := exec.CommandContext(ctx, quaytest, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("quaytest did not start: %w", err)
	}
	url := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	return &backend{cmd: cmd, address: strings.TrimPrefix(url, "http://")}, nil
}

func (b *backend) stop() {
	_ = b.cmd.Process.Signal(os.Interrupt)
	_ = b.cmd.Wait()
}

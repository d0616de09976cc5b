// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A destination is a real registry on loopback, behind a meter.
type destination struct {
	cmd    *exec.Cmd
	direct string // its host, without the meter
	host   string // the host of the meter, for the tools
	meter  *meter
}

const registryConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  cache: {blobdescriptor: inmemory}
http: {addr: %q}
`

func startDestination(ctx context.Context, registry, dir string) (*destination, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	d := &destination{direct: fmt.Sprintf("127.0.0.1:%d", port)}
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf(registryConfig, filepath.Join(dir, "registry"), d.direct)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d.cmd = exec.CommandContext(ctx, registry, "serve", config)
	d.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	err = waitListening(ctx, d.direct)
	if err == nil {
		d.meter, err = startMeter(d.direct)
	}
	if err != nil {
		d.stop()
		return nil, err
	}
	d.host = d.meter.listener.Addr().String()
	return d, nil
}

func (d *destination) stop() {
	if d.meter != nil {
		d.meter.stop()
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait()
}

// sent returns the number of bytes that clients have sent. It waits until their
// connections are closed.
func (d *destination) sent() int64 {
	if d == nil {
		return 0
	}
	d.meter.open.Wait()
	return d.meter.bytes.Load()
}

func waitListening(ctx context.Context, address string) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("nothing listens on %s: %w", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// freePort returns a loopback port that nothing listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// A meter forwards connections and counts the bytes that clients send.
type meter struct {
	listener net.Listener
	to       string
	bytes    atomic.Int64   // that clients sent
	open     sync.WaitGroup // connections
	running  sync.WaitGroup
}

func startMeter(to string) (*meter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{listener: l, to: to}
	m.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // stopped
			}
			m.open.Go(func() { m.pass(client) })
		}
	})
	return m, nil
}

// pass forwards one connection. The kernel copies the bytes.
func (m *meter) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", m.to)
	if err != nil {
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	n, _ := io.Copy(server, client)
	m.bytes.Add(n)
	_ = server.Close()
	back.Wait()
}

func (m *meter) stop() {
	_ = m.listener.Close()
	m.running.Wait()
	m.open.Wait()
}

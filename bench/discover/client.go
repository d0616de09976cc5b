// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A target is the server that clients discover.
type target struct {
	url, caFile    string
	roots          *x509.CertPool
	namespace, tag string
	repositories   int
	binaries       binaries
}

// binaries are the commands that the clients and the server run as.
type binaries struct{ quayside, quaytest, python string }

// A runner discovers a target and returns how many images it found.
type runner func(ctx context.Context, at target) (int, error)

// A client is one row of a scenario.
type client struct {
	name        string
	run         runner
	connections int  // connections at most; 0: the default of quayside
	peer        bool // quayside should be faster
	ceiling     bool // the fastest of these clients is the scenario's limit
	beside      bool // shown for comparison, without goals
}

const defaultConnections = 8

func quayside(flags ...string) runner {
	return func(ctx context.Context, at target) (int, error) {
		args := append([]string{
			"find", at.namespace + "/*:" + at.tag, "--server", at.url, "--ca-file", at.caFile,
			"--output", "refs", "--quiet", "--config", os.DevNull,
		}, flags...)
		cmd := exec.CommandContext(ctx, at.binaries.quayside, args...)
		cmd.Env = at.environment()
		out, err := output(cmd)
		return bytes.Count(out, []byte("\n")), err
	}
}

// environment makes a command trust one certificate authority only, because reading the
// system's authorities takes longer than some discoveries.
func (t target) environment() []string {
	return append(os.Environ(), "SSL_CERT_FILE="+t.caFile, "SSL_CERT_DIR="+filepath.Join(filepath.Dir(t.caFile), "none"))
}

//go:embed peer.py
var peerProgram string

// peer returns occystrap as a client, with one connection a thread.
func peer(threads int) client {
	return client{
		name: fmt.Sprintf("occystrap, %d threads", threads), connections: threads, peer: true,
		run: func(ctx context.Context, at target) (int, error) {
			cmd := exec.CommandContext(ctx, at.binaries.python, "-c", peerProgram,
				at.url+"/api/v1", at.namespace, "*", at.tag, strconv.Itoa(threads))
			cmd.Env = at.environment()
			out, err := output(cmd)
			if err != nil {
				return 0, err
			}
			lines := strings.Fields(string(out))
			if len(lines) == 0 {
				return 0, fmt.Errorf("occystrap printed nothing")
			}
			return strconv.Atoi(lines[len(lines)-1])
		},
	}
}

// output runs a command. If the command fails, the error includes the end of its output.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return out.Bytes(), fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, lines[len(lines)-1])
	}
	return out.Bytes(), nil
}

const peerVersion = "0.4.17"

// installPeer creates a Python environment with occystrap.
func installPeer(ctx context.Context, dir string) (python string, err error) {
	environment := filepath.Join(dir, "occystrap-"+peerVersion)
	python = filepath.Join(environment, "bin", "python")
	if _, err := os.Stat(python); err == nil {
		return python, nil
	}
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(ctx, "python3", "-m", "venv", environment),
		exec.CommandContext(ctx, python, "-m", "pip", "install", "--quiet", "occystrap=="+peerVersion),
	} {
		if _, err := output(cmd); err != nil {
			return "", fmt.Errorf("install occystrap: %w", err)
		}
	}
	return python, nil
}

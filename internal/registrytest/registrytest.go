// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registrytest starts a real registry for tests: CNCF Distribution,
// built from source once into the user's cache folder, on a loopback port, with
// its content in a folder of the test's.
//
//	s := registrytest.Start(t)
//	// push to http://s.Host()/v2/...
//
// A test that calls Start is skipped where the registry cannot be had: with
// -short when it has not been built yet, and where its modules cannot be
// downloaded. The environment variable QUAYSIDE_TEST_REGISTRY names a
// binary to use instead. Building takes minutes on a cold cache.
package registrytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// User and Secret are who may use a registry that was started [WithPassword].
const (
	User   = "tester"
	Secret = "registry-test-secret"

	hashed = "$2a$04$JC/jkv0G51zJIaDF97QOceNvJDEvtC2MbiDrYucCXzq8vgoQ6XAVi" // of Secret, by bcrypt at its least cost
)

// An Option says what is special about a registry.
type Option func(*config)

type config struct{ password bool }

// WithPassword makes the registry ask for [User] and [Secret], by Basic
// authentication.
func WithPassword() Option { return func(c *config) { c.password = true } }

// A Server is a running registry.
type Server struct {
	host string
	dir  string
	log  *journal
}

// Host gives host:port.
func (s *Server) Host() string { return s.host }

// URL gives the base URL, without a slash at its end. The registry speaks
// plain HTTP.
func (s *Server) URL() string { return "http://" + s.host }

// Dir gives the folder that has the registry's content.
func (s *Server) Dir() string { return s.dir }

// startTime is how long a registry may take to listen.
const startTime = 30 * time.Second

// Start starts a registry, and stops it when the test ends. It skips the test
// where there is no registry to start.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	var c config
	for _, o := range opts {
		o(&c)
	}
	binary, err := binary()
	if errors.Is(err, errOffline) || err != nil && testing.Short() {
		t.Skipf("no registry to test with: %v", err)
	}
	if err != nil {
		t.Fatalf("no registry to test with: %v", err)
	}
	s := &Server{dir: t.TempDir(), log: newJournal()}
	file, err := c.write(t.TempDir(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatalf("start %s: %v", binary, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("the end of the registry's log:\n%s", tail([]byte(s.log.String())))
		}
	})
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case s.host = <-s.log.listening:
		return s
	case <-ended:
		t.Fatalf("%s has ended:\n%s", binary, s.log)
	case <-late.C:
		t.Fatalf("%s does not listen after %v:\n%s", binary, startTime, s.log)
	}
	return nil
}

// binary finds the registry's binary, or builds it.
func binary() (string, error) {
	if path := os.Getenv(Override); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w", Override, err)
		}
		return path, nil
	}
	return built()
}

// write writes the registry's configuration.
func (c config) write(dir, content string) (string, error) {
	text := fmt.Sprintf(`version: 0.1
log: {level: info, formatter: text, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:0", secret: of-the-test}
`, content)
	if c.password {
		passwords := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(passwords, []byte(User+":"+hashed+"\n"), 0o600); err != nil {
			return "", err
		}
		text += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", passwords)
	}
	file := filepath.Join(dir, "config.yml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// A journal takes what the registry writes, and finds the address in it.
type journal struct {
	listening chan string // gets it, once

	mu    sync.Mutex
	text  strings.Builder
	found bool
}

func newJournal() *journal { return &journal{listening: make(chan string, 1)} }

var address = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

const maxJournal = 1 << 20 // bytes kept, from the beginning

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.text.Len() < maxJournal {
		j.text.Write(p)
	}
	if j.found {
		return len(p), nil
	}
	if m := address.FindStringSubmatch(j.text.String()); m != nil {
		j.found = true
		j.listening <- m[1]
	}
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

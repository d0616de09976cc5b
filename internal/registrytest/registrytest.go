// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registrytest starts a registry for tests, on a loopback port:
//
//	s := registrytest.Start(t)
//	// push to http://s.Host()/v2/...
//
// The registry is CNCF Distribution if it is installed: the program that
// QUAYSIDE_TEST_REGISTRY names, or docker-registry or registry in PATH. Otherwise it
// is one in the memory of the test (cuelabs' ociserver), and the test's log says so.
// QUAYSIDE_TEST_REGISTRY=memory chooses that one. Nothing is compiled or downloaded.
package registrytest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// Override is the environment variable that names the registry's program, or
// "memory".
const Override = "QUAYSIDE_TEST_REGISTRY"

// User and Secret are accepted by a registry that was started [WithPassword].
const (
	User   = "tester"
	Secret = "registry-test-secret"

	hashed = "$2a$04$JC/jkv0G51zJIaDF97QOceNvJDEvtC2MbiDrYucCXzq8vgoQ6XAVi" // of Secret, by bcrypt at its least cost
)

// An Option changes how a registry is started.
type Option func(*config)

type config struct{ password bool }

// WithPassword makes the registry ask for [User] and [Secret], by Basic
// authentication.
func WithPassword() Option { return func(c *config) { c.password = true } }

// A Server is a running registry. It speaks plain HTTP.
type Server struct{ host, dir string }

// Host returns host:port.
func (s *Server) Host() string { return s.host }

// URL returns the base URL, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.host }

// Dir returns the folder with the registry's content. It skips the test if the
// registry is in memory.
func (s *Server) Dir(t testing.TB) string {
	t.Helper()
	if s.dir == "" {
		t.Skip("needs a registry that is installed: the one in memory has no folder")
	}
	return s.dir
}

// Start starts a registry, and stops it when the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	var c config
	for _, o := range opts {
		o(&c)
	}
	program, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	if program != "" {
		return c.run(t, program)
	}
	t.Log("registrytest: no registry is installed (docker-registry, registry, or " + Override + "): the test uses one in memory")
	return c.serve(t)
}

// installed returns the path of the registry's program, or "" if there is none.
var installed = sync.OnceValues(func() (string, error) {
	switch chosen := os.Getenv(Override); chosen {
	case "":
	case "memory":
		return "", nil
	default:
		path, err := exec.LookPath(chosen)
		if err != nil {
			return "", fmt.Errorf("%s: %w", Override, err)
		}
		return path, nil
	}
	for _, name := range []string{"docker-registry", "registry"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.Command(path, "--version").Output() // other programs are called registry, too
		if err == nil && strings.Contains(string(out), "/distribution") {
			return path, nil
		}
	}
	return "", nil
})

// serve serves a registry from memory.
func (c config) serve(t testing.TB) *Server {
	// Like Distribution, it has no referrers API, and does not answer 500 to what is
	// the client's mistake.
	registry := ociserver.New(ocimem.New(), &ociserver.Options{DisableReferrersAPI: true,
		WriteError: func(w http.ResponseWriter, _ *http.Request, err error) {
			switch text := err.Error(); {
			case strings.Contains(text, "invalid offset"):
				err = ociregistry.ErrRangeInvalid
			case strings.Contains(text, "invalid manifest: blob for"):
				err = ociregistry.ErrManifestBlobUnknown
			case strings.Contains(text, "invalid manifest"):
				err = ociregistry.ErrManifestInvalid
			}
			_ = ociregistry.WriteError(w, err)
		}})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		if user, secret, _ := r.BasicAuth(); c.password && (user != User || secret != Secret) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		registry.ServeHTTP(noSubject{w}, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Start()
	t.Cleanup(s.Close)
	return &Server{host: strings.TrimPrefix(s.URL, "http://")}
}

// noSubject leaves out OCI-Subject, which a registry without referrers does not send.
type noSubject struct{ http.ResponseWriter }

func (w noSubject) WriteHeader(status int) {
	w.Header().Del("OCI-Subject")
	w.ResponseWriter.WriteHeader(status)
}

// startTime is how long a program may take to listen.
const startTime = 30 * time.Second

// run runs the registry's program.
func (c config) run(t testing.TB, program string) *Server {
	t.Helper()
	dir := t.TempDir()
	file, err := c.write(t.TempDir(), dir)
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{listening: make(chan string, 1)}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatalf("start %s: %v", program, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			text := log.String()
			t.Logf("the end of the registry's log:\n%s", text[max(0, len(text)-2000):])
		}
	})
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case host := <-log.listening:
		return &Server{host, dir}
	case <-ended:
		t.Fatalf("%s has ended:\n%s", program, log)
	case <-late.C:
		t.Fatalf("%s does not listen after %v:\n%s", program, startTime, log)
	}
	return nil
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

// A journal keeps what the registry writes, and finds the address in it.
type journal struct {
	listening chan string // receives the address once

	mu    sync.Mutex
	text  strings.Builder
	found bool
}

var address = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

const maxJournal = 1 << 20 // bytes kept, from the beginning

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.text.Len() < maxJournal {
		j.text.Write(p)
	}
	if m := address.FindStringSubmatch(j.text.String()); m != nil && !j.found {
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Names in the sample organization.
const (
	public      = "stackfleet/kolla-base"
	private     = "stackfleet/keystone-ldap"
	robot       = "stackfleet+puller"
	robotSecret = "demo-robot-token-0001"
	tag         = quaytest.SampleTag
)

// seen is a transport that records requests.
type seen struct {
	base http.RoundTripper

	mu     sync.Mutex
	log    []*http.Request
	opened int // upload sessions
}

func (s *seen) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.log = append(s.log, req)
	s.mu.Unlock()
	resp, err := s.base.RoundTrip(req)
	if err == nil && req.Method == http.MethodPost && resp.StatusCode == http.StatusAccepted {
		s.mu.Lock()
		s.opened++
		s.mu.Unlock()
	}
	return resp, err
}

// count returns how many requests had a path that contains a text.
func (s *seen) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, req := range s.log {
		if strings.Contains(req.URL.Path, text) {
			n++
		}
	}
	return n
}

func (s *seen) withToken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, req := range s.log {
		if req.Header.Get("Authorization") != "" {
			n++
		}
	}
	return n
}

// lookups counts how often a credential is looked up.
type lookups struct {
	of registry.Credentials
	mu sync.Mutex
	n  int
}

func (l *lookups) Credential(ctx context.Context, host, repository string) (registry.Credential, error) {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
	return l.of.Credential(ctx, host, repository)
}

// server is a client of a registry, with what it sent.
type server struct {
	*registry.Registry
	seen    *seen
	lookups *lookups
	log     *bytes.Buffer // read it after the requests
}

// connect returns a client of a server that speaks plain HTTP.
func connect(t *testing.T, url string, user, secret string) *server {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	base := registry.NewTransport(nil)
	t.Cleanup(base.CloseIdleConnections)
	s := &server{seen: &seen{base: base}, log: &bytes.Buffer{}}
	s.lookups = &lookups{of: registry.ForHost(host, registry.NewCredential(user, secret))}
	r, err := registry.New(host, registry.Options{Transport: s.seen, PlainHTTP: true, Credentials: s.lookups,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	s.Registry = r
	return s
}

// through returns the repository a/b of registry.example, by the transport of the options.
func through(t *testing.T, o registry.Options) *registry.Repository {
	t.Helper()
	r, err := registry.New("registry.example", o)
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.Repository("a/b")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// answering is an http.RoundTripper whose requests all get an answer.
type answering func(req *http.Request) *http.Response

func (f answering) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := f(req)
	resp.Request = req
	return resp, nil
}

// roundTrips is an http.RoundTripper made of a function.
type roundTrips func(req *http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// sample starts an embedded Quay with the sample organization.
func sample(t *testing.T, user, secret string, opts ...quaytest.Option) *server {
	t.Helper()
	q, err := quaytest.NewServer(quaytest.SampleDataset(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return connect(t, q.URL(), user, secret)
}

func (s *server) url() string { return "http://" + s.Host() }

func (s *server) repository(t *testing.T, name string) *registry.Repository {
	t.Helper()
	r, err := s.Repository(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// image returns the manifest behind a tag, or the first manifest of an index.
func image(t *testing.T, r *registry.Repository, tag string) (ocispec.Descriptor, manifest.Manifest) {
	t.Helper()
	d, err := r.Resolve(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	got, content, err := r.Manifest(t.Context(), d.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != d.Digest || got.Size != d.Size || got.MediaType != d.MediaType {
		t.Fatalf("HEAD said %+v, GET %+v", d, got)
	}
	m, err := manifest.Parse(got.MediaType, content)
	if err != nil {
		t.Fatal(err)
	}
	if m.IsIndex() {
		_, content, err = r.Manifest(t.Context(), m.Children[0].Digest)
		if err == nil {
			m, err = manifest.Parse(m.Children[0].MediaType, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return d, m
}

// drain reads a blob from an offset to its end, and returns where the content began.
func drain(t *testing.T, r *registry.Repository, d ocispec.Descriptor, offset int64) (content []byte, start int64, err error) {
	t.Helper()
	body, start, err := r.Blob(t.Context(), d, offset)
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	content, err = io.ReadAll(body)
	return content, start, err
}

// largest returns the largest layer.
func largest(m manifest.Manifest) ocispec.Descriptor {
	most := *m.Config
	for _, d := range m.Layers {
		if d.Size > most.Size {
			most = d
		}
	}
	return most
}

func describe(content []byte, mediaType string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

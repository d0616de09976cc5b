// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

// A wire is the transport to a destination, and records its requests.
type wire struct {
	base   *http.Transport
	before func(*http.Request) error // called with each request; may be nil
	bytes  atomic.Int64              // of blobs that were uploaded

	mu       sync.Mutex
	requests []string // method and path, with a query if there is one
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r.Method+" "+r.URL.RequestURI())
	w.mu.Unlock()
	if w.before != nil {
		err := w.before(r)
		if status, ok := errors.AsType[answer](err); ok {
			return status.response(r), nil
		}
		if err != nil {
			return nil, err
		}
	}
	if r.Body != nil && strings.Contains(r.URL.Path, "/blobs/uploads/") {
		r = r.Clone(r.Context())
		r.Body = counted{r.Body, &w.bytes}
	}
	return w.base.RoundTrip(r)
}

// An answer is given in place of the registry's.
type answer int

func (a answer) Error() string { return http.StatusText(int(a)) }

func (a answer) response(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: int(a), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// sent returns the requests with a method and a part of the path, in order.
func (w *wire) sent(method, part string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.requests), func(r string) bool {
		return !strings.HasPrefix(r, method+" ") || !strings.Contains(r, part)
	})
}

// A port is a registry to push to.
type port struct {
	*registry.Registry
	wire   *wire
	server *registrytest.Server
	record string // file that its runs record signatures in
}

// newPort starts a registry.
func newPort(t *testing.T, options ...registrytest.Option) *port {
	t.Helper()
	server := registrytest.Start(t, options...)
	return openPort(t, server, nil)
}

func openPort(t *testing.T, server *registrytest.Server, who registry.Credentials) *port {
	t.Helper()
	w := &wire{base: &http.Transport{}}
	t.Cleanup(w.base.CloseIdleConnections)
	r, err := registry.New(server.Host(), registry.Options{PlainHTTP: true, Transport: w, Credentials: who})
	if err != nil {
		t.Fatal(err)
	}
	return &port{r, w, server, filepath.Join(t.TempDir(), "records", "port.json")}
}

// push copies images to the registry, beneath a prefix. By default, blobs are staged in a
// folder of this run.
func (p *port) push(ctx context.Context, t *testing.T, o mirror.Options, images []mirror.Image, rules ...string) (mirror.Report, error) {
	t.Helper()
	rename, err := destination.ParseRename(rules)
	if err != nil {
		t.Fatal(err)
	}
	to, err := destination.Registry(p.Registry, "mirror", newLayout(t, t.TempDir()), rename, p.record)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	}()
	return mirror.New(to, o).Copy(ctx, slices.Values(images))
}

// planned returns the plan of a push.
func (p *port) planned(t *testing.T, o mirror.Options, images []mirror.Image) []mirror.PlannedImage {
	t.Helper()
	to, err := destination.Registry(p.Registry, "mirror", newLayout(t, t.TempDir()), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := mirror.New(to, o).Plan(t.Context(), slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	if writes := slices.Concat(p.wire.sent("PUT", ""), p.wire.sent("DELETE", "")); len(writes) > 0 {
		t.Errorf("a plan has sent %s", writes)
	}
	return plan.Images
}

// pushed is push, and fails the test unless everything is copied.
func (p *port) pushed(t *testing.T, o mirror.Options, images []mirror.Image, rules ...string) mirror.Report {
	t.Helper()
	r, err := p.push(t.Context(), t, o, images, rules...)
	if err != nil || !r.Complete {
		t.Fatalf("%v\n%s", err, show(t, r))
	}
	return r
}

// repository returns the repository of an image beneath the prefix.
func (p *port) repository(t *testing.T, i mirror.Image) *registry.Repository {
	t.Helper()
	_, name, _ := strings.Cut(i.Repository, "/")
	r, err := p.Repository("mirror/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// smallRelease returns images that share layers, with some signatures, SBOMs and indexes.
func smallRelease(n int) *quaytest.Dataset {
	return quaytest.Release(n, quaytest.ReleaseOptions{
		Base: 40_000, Group: 20_000, Groups: 3, Own: 5_000, Signed: 3, Referrers: 4, Index: 5, Arm64: 3_000,
	})
}

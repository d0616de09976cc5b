// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/memnet"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// errRefused is the error of a dial to a server that does not run.
var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// trickling answers as a handler does, and sends bodies at a byte a second.
type trickling struct {
	http.ResponseWriter
	ctx   context.Context
	every time.Duration
}

func (t trickling) Write(p []byte) (int, error) {
	for i := range p {
		select {
		case <-time.After(t.every):
		case <-t.ctx.Done():
			return i, t.ctx.Err()
		}
		if _, err := t.ResponseWriter.Write(p[i : i+1]); err != nil {
			return i, err
		}
		_ = http.NewResponseController(t.ResponseWriter).Flush()
	}
	return len(p), nil
}

// breaking answers as a handler does, and breaks off after the header.
type breaking struct{ http.ResponseWriter }

func (b breaking) Write([]byte) (int, error) {
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// A source goes away for good while images are copied. The copy ends within about two
// minutes, however many images there are, keeps what it has, and names all that failed.
func TestASourceThatDies(t *testing.T) {
	for _, end := range []string{"refused", "silent", "trickles", "sends nothing", "breaks off", "breaks off for 20 s"} {
		for _, n := range []int{6, 30} {
			t.Run(fmt.Sprint(end, " ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { sourceThatDies(t, end, n) })
			})
		}
	}
}

func sourceThatDies(t *testing.T, end string, n int) {
	data := quaytest.Release(n, quaytest.ReleaseOptions{Base: 200 << 10, Group: 100 << 10, Groups: 4, Own: 50 << 10})
	h, err := quaytest.NewHandler(data)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	w := memnet.Listen()
	var blobs atomic.Int64
	var died atomic.Pointer[time.Time]
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") && blobs.Add(1) == int64(n) { // some half of them
			now := time.Now()
			died.Store(&now)
			switch end {
			case "refused":
				w.Cut(errRefused)
				panic(http.ErrAbortHandler)
			case "silent":
				w.Silence()
				panic(http.ErrAbortHandler)
			}
		}
		switch {
		case died.Load() == nil || r.Method == http.MethodHead:
		case end == "trickles":
			rw = trickling{rw, r.Context(), time.Second}
		case end == "breaks off", end == "breaks off for 20 s" && time.Since(*died.Load()) < 20*time.Second:
			rw = breaking{rw}
		case end == "sends nothing":
			rw = trickling{rw, r.Context(), time.Hour}
		}
		h.ServeHTTP(rw, r)
	})}
	go func() { _ = server.Serve(w) }()
	base := &http.Transport{DialContext: w.Dial, ResponseHeaderTimeout: 65 * time.Second}
	rt := pace.New(pace.Options{Base: base, Retries: 25})
	defer func() {
		base.CloseIdleConnections()
		w.Cut(errRefused)
		_ = server.Close()
	}()
	l, err := layout.Open(t.TempDir(), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &site{t: t, data: data, host: "quay.test"}
	images := s.images("2025.1")
	r, err := mirror.New(destination.Layout(l), mirror.Options{
		Signatures: mirror.SignaturesNever,
		Registry: func(host string) (*registry.Registry, error) {
			return registry.New(host, registry.Options{PlainHTTP: true, Transport: rt})
		},
	}).Copy(t.Context(), slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(*died.Load())
	t.Logf("%v, %d copied, %d failed, %d retries", took, r.Copied, r.Failed, r.Retries)
	if took > 130*time.Second {
		t.Errorf("ended %v after the source died, want 130 s at most", took)
	}
	if end == "breaks off for 20 s" {
		if r.Copied != n || !r.Complete || took > 35*time.Second {
			t.Errorf("%d copied of %d after %v, complete: %v\n%s", r.Copied, n, took, r.Complete, show(t, r))
		}
	} else if r.Copied+r.Failed != n || r.Failed == 0 || r.Complete {
		t.Errorf("%d copied and %d failed of %d, complete: %v", r.Copied, r.Failed, n, r.Complete)
	}
	for _, i := range r.Images {
		if i.Status == mirror.Failed && !strings.Contains(i.Error, "quay.test") {
			t.Errorf("%s: %s", i.Reference, i.Error)
		}
	}
	v, err := layout.Verify(t.Context(), l.Dir(), layout.VerifyOptions{})
	if err != nil || len(v.Damaged) > 0 {
		t.Errorf("the layout is damaged: %v, %v", v.Damaged, err)
	}
}

// taking is a registry that accepts every push.
func taking(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", r.URL.Path+"1")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// A registry that is pushed to goes away, for good or for a time.
func TestADestinationThatDies(t *testing.T) {
	for _, end := range []string{"refused", "silent", "refused for 20 s", "database restarts"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { destinationThatDies(t, end, 30) })
		})
	}
}

func destinationThatDies(t *testing.T, end string, n int) {
	data := quaytest.Release(n, quaytest.ReleaseOptions{Base: 20 << 10, Group: 10 << 10, Groups: 4, Own: 5 << 10})
	h, err := quaytest.NewHandler(data)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	start := func(handler http.Handler) (*memnet.Listener, http.RoundTripper, func()) {
		c := memnet.Listen()
		server := &http.Server{Handler: handler}
		go func() { _ = server.Serve(c) }()
		base := &http.Transport{DialContext: c.Dial, ResponseHeaderTimeout: 65 * time.Second}
		return c, pace.New(pace.Options{Base: base, Retries: 25}), func() {
			base.CloseIdleConnections()
			c.Cut(errRefused)
			_ = server.Close()
		}
	}
	_, source, stop := start(h)
	defer stop()
	var puts atomic.Int64
	var died atomic.Pointer[time.Time]
	var to *memnet.Listener
	to, pushing, stop2 := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && puts.Add(1) == int64(n) {
			now := time.Now()
			died.Store(&now)
			switch end {
			case "refused":
				to.Cut(errRefused)
				panic(http.ErrAbortHandler)
			case "silent":
				to.Silence()
				panic(http.ErrAbortHandler)
			case "refused for 20 s":
				to.Cut(errRefused)
				time.AfterFunc(20*time.Second, func() { to.Cut(nil) })
				panic(http.ErrAbortHandler)
			}
		}
		if at := died.Load(); end == "database restarts" && at != nil && time.Since(*at) < 10*time.Second {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		taking(w, r)
	}))
	defer stop2()
	registryOf := func(host string, rt http.RoundTripper) *registry.Registry {
		r, err := registry.New(host, registry.Options{PlainHTTP: true, Transport: rt})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	l, err := layout.Open(t.TempDir(), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	into, err := destination.Registry(registryOf("mirror.test", pushing), "copies", l, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, data: data, host: "quay.test"}
	r, err := mirror.New(into, mirror.Options{
		Signatures: mirror.SignaturesNever,
		Registry:   func(host string) (*registry.Registry, error) { return registryOf(host, source), nil },
	}).Copy(t.Context(), slices.Values(s.images("2025.1")))
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(*died.Load())
	t.Logf("%v, %d copied, %d failed", took, r.Copied, r.Failed)
	forGood := end == "refused" || end == "silent"
	if forGood && (took > 130*time.Second || r.Failed == 0 || r.Complete) || !forGood && (r.Failed > 0 || !r.Complete || took > 35*time.Second) {
		t.Errorf("after %v: %d copied, %d failed of %d, complete: %v\n%s", took, r.Copied, r.Failed, n, r.Complete, show(t, r))
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/internal/transport"
)

// front starts a proxy before a registry that spoils the first requests of a method
// whose path contains a text.
func front(t *testing.T, to, method, path string, first int32, spoil http.HandlerFunc) (url string, spoilt *atomic.Int32) {
	t.Helper()
	spoilt = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method && strings.Contains(r.URL.Path, path) && spoilt.Add(1) <= first {
			spoil(w, r)
			return
		}
		forward(w, r, to)
	}))
	t.Cleanup(s.Close)
	return s.URL, spoilt
}

func status(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
	}
}

func TestUploadIsSentAgain(t *testing.T) {
	real := registrytest.Start(t)
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	d := describe(content, "")
	for name, test := range map[string]struct {
		method string
		first  int32
		spoil  http.HandlerFunc
		opened int
	}{
		"session refused":      {"POST", 2, status(429, "0"), 1},
		"session in trouble":   {"POST", 1, status(503, "0"), 1},
		"upload refused":       {"PUT", 1, status(429, "0"), 2},
		"upload in trouble":    {"PUT", 2, status(502, "0"), 3},
		"session is forgotten": {"PUT", 1, status(404, "0"), 2},
		"connection breaks": {"PUT", 1, func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, 2},
		// The session holds half of the blob then, and is useless.
		"half of it arrives": {"PUT", 1, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			r = r.WithContext(ctx)
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 1<<20), &canceling{cancel}))
			forward(w, r, real.URL())
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := front(t, real.URL(), test.method, "/blobs/uploads/", test.first, test.spoil)
			s := connect(t, url, "", "")
			r := s.repository(t, "mirror/"+strings.ReplaceAll(name, " ", "-"))
			times := 0
			if err := r.Upload(t.Context(), d, opened(content, &times)); err != nil {
				t.Fatalf("%v\n%s", err, s.log)
			}
			if times < test.opened {
				t.Errorf("opened %d times, want %d", times, test.opened)
			}
			if has, err := r.HasBlob(t.Context(), d); !has || err != nil {
				t.Errorf("not there: %v, %v", has, err)
			}
		})
	}
}

type canceling struct{ cancel func() }

func (c *canceling) Read([]byte) (int, error) {
	c.cancel()
	return 0, errors.New("broken off")
}

func TestPushesAreSentAgain(t *testing.T) {
	real := registrytest.Start(t)
	url, _ := front(t, real.URL(), "PUT", "/manifests/", 2, status(503, "0"))
	r := connect(t, url, "", "").repository(t, "mirror/base")
	push(t, r, ocispec.Manifest{}, "v1", []byte("{}"), []byte("layer"))
	// A mount is not repeated: an upload replaces it.
	url, spoilt := front(t, real.URL(), "POST", "/blobs/uploads/", 1, status(429, "100"))
	done, err := connect(t, url, "", "").repository(t, "mirror/other").Mount(t.Context(), describe([]byte("layer"), ""), r.Name())
	if answer, is := errors.AsType[*registry.Error](err); done || !is || answer.Status != 429 || spoilt.Load() != 1 {
		t.Errorf("mount: %v, %v, asked %d times", done, err, spoilt.Load())
	}
}

// hostDown is the error of a transport that has given a host up.
type hostDown struct{ error }

func (hostDown) HostDown() bool { return true }

// Pushes wait two minutes for a server that is down, and less for other failures.
func TestPatienceOfPushes(t *testing.T) {
	reset := &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	for name, test := range map[string]struct {
		status      int
		contentType string
		after       string
		err         error
		least, most time.Duration
		sends       int // at most
	}{
		"503":                   {503, "", "", nil, 100 * time.Second, 130 * time.Second, 40},
		"503, Retry-After 0":    {503, "", "0", nil, 100 * time.Second, 130 * time.Second, 40},
		"500 with a page":       {500, "text/html", "", nil, 100 * time.Second, 130 * time.Second, 40},
		"500":                   {500, "application/json", "", nil, time.Second, 15 * time.Second, 5},
		"reset":                 {0, "", "", reset, 100 * time.Second, 130 * time.Second, 40},
		"given up":              {0, "", "", hostDown{reset}, 0, time.Second, 1},
		"507":                   {507, "", "", nil, time.Second, 15 * time.Second, 5},
		"429, Retry-After 3600": {429, "", "3600", nil, 8 * time.Minute, 9 * time.Minute, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			sends := 0
			at := through(t, registry.Options{Transport: roundTrips(func(req *http.Request) (*http.Response, error) {
				if sends++; test.err != nil {
					return nil, test.err
				}
				h := http.Header{"Content-Type": {test.contentType}}
				if test.after != "" {
					h.Set("Retry-After", test.after)
				}
				return &http.Response{StatusCode: test.status, Header: h, Body: http.NoBody, Request: req, ProtoMajor: 1}, nil
			})})
			begin := time.Now()
			err := at.Upload(t.Context(), describe([]byte("x"), ""), opened([]byte("x"), nil))
			if took := time.Since(begin); err == nil || took < test.least || took > test.most || sends > test.sends {
				t.Errorf("%s: after %v, %d sends: %v", name, took, sends, err)
			}
		})
	}
}

// The wait before a repeated push ends with the context.
func TestWaitEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	at := through(t, registry.Options{Transport: answering(func(*http.Request) *http.Response {
		cancel()
		return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"100"}}, Body: http.NoBody, ProtoMajor: 1}
	})})
	if err := at.Upload(ctx, describe([]byte("x"), ""), opened([]byte("x"), nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// A registry that names another digest after a push is an error.
func TestStoredUnderAnotherDigest(t *testing.T) {
	lie := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("1", 64))
		w.WriteHeader(http.StatusCreated)
	}
	real := registrytest.Start(t)
	content := []byte("content")
	url, _ := front(t, real.URL(), "PUT", "/blobs/uploads/", 1, lie)
	err := connect(t, url, "", "").repository(t, "mirror/base").Upload(t.Context(), describe(content, ""), opened(content, nil))
	malformed(t, "blob", err)
	url, _ = front(t, real.URL(), "PUT", "/manifests/", 1, lie)
	err = connect(t, url, "", "").repository(t, "mirror/base").PushManifest(t.Context(), describe(content, ocispec.MediaTypeImageManifest), content, "v1")
	malformed(t, "manifest", err)
	url, _ = front(t, real.URL(), "POST", "/blobs/uploads/", 1, lie)
	_, err = connect(t, url, "", "").repository(t, "mirror/base").Mount(t.Context(), describe(content, ""), "mirror/other")
	malformed(t, "mount", err)
}

// A permanent error ends a push at once, and IsPermanent reports it.
func TestPermanentErrors(t *testing.T) {
	for name, cause := range map[string]error{
		"a proxy that wants a password": &transport.ProxyError{Proxy: "proxy:3128", Status: http.StatusProxyAuthRequired},
		"a proxy that forbids the host": &transport.ProxyError{Proxy: "proxy:3128", Status: http.StatusForbidden},
		"a certificate":                 &tls.CertificateVerificationError{Err: errors.New("unknown authority")},
		"http in place of https":        http.ErrSchemeMismatch,
		"another protocol":              tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		"a proxy that is down":          nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			failure, sends := cause, 0
			if failure == nil {
				failure = &transport.ProxyError{Proxy: "proxy:3128", Status: http.StatusBadGateway}
			}
			at := through(t, registry.Options{Transport: roundTrips(func(*http.Request) (*http.Response, error) {
				sends++
				return nil, failure
			})})
			err := at.Upload(t.Context(), describe([]byte("content"), ""), opened([]byte("content"), nil))
			if permanent := cause != nil; err == nil || !strings.Contains(err.Error(), failure.Error()) || registry.IsPermanent(err) != permanent || permanent != (sends == 1) {
				t.Errorf("%s: %d requests, permanent %v, %v", name, sends, registry.IsPermanent(err), err)
			}
		})
	}
}

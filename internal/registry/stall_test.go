// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
)

// A server that stops in mid answer is not waited for without end, and one that
// is slow is.
func TestSilentBodyIsGivenUp(t *testing.T) {
	const content = `{"schemaVersion":2}`
	for name, test := range map[string]struct {
		every, ends, took time.Duration
		want              string
	}{
		"slow":       {50 * time.Second, time.Hour, 50 * time.Second * time.Duration(len(content)), ""},
		"silent":     {2 * time.Hour, time.Hour, time.Minute, "no byte"},
		"called off": {2 * time.Hour, time.Second, time.Second, "canceled"},
	} {
		synctest.Test(t, func(t *testing.T) {
			reg, err := registry.New("quay.io", registry.Options{Transport: transport(func(req *http.Request) *http.Response {
				return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(content)),
					Header: http.Header{"Content-Type": {ocispec.MediaTypeImageManifest}},
					Body:   &dripping{req.Context(), test.every, strings.NewReader(content)}}
			})})
			if err != nil {
				t.Fatal(err)
			}
			r, err := reg.Repository("a/b")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(test.ends, cancel).Stop()
			begin := time.Now()
			_, _, err = r.Manifest(ctx, digest.FromString(content))
			if took := time.Since(begin); took != test.took || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: after %v: %v", name, took, err)
			}
			if errors.Is(err, context.Canceled) != (name == "called off") {
				t.Errorf("%s: it is the context's: %v", name, err)
			}
			cancel()
		})
	}
}

// dripping is a body that brings a byte each so often.
type dripping struct {
	ctx   context.Context
	every time.Duration
	from  *strings.Reader
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.from.Len() == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.every):
		return d.from.Read(p[:1])
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d *dripping) Close() error { return nil }

// A network's timeout calls itself the context's. Nobody has ended the run, and
// the error has to say what took too long.
func TestTimeoutIsNotTheContexts(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	base := registry.NewTransport(nil)
	base.ResponseHeaderTimeout = 50 * time.Millisecond
	t.Cleanup(base.CloseIdleConnections)
	reg, err := registry.New(strings.TrimPrefix(url, "http://"), registry.Options{Transport: base, PlainHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := reg.Repository("a/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), "v1"); err == nil || !strings.Contains(err.Error(), "awaiting response headers") {
		t.Errorf("no answer: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := r.Resolve(ctx, "v1"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("the context's end: %v", err)
	}
}

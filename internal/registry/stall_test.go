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

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/registry"
)

// paced returns the transport that carries a registry's requests in the commands: it
// gives up bodies that stall.
func paced(base http.RoundTripper) http.RoundTripper { return pace.New(pace.Options{Base: base}) }

// A server that stops in mid answer, or brings next to nothing, is not waited for
// without end, and one that is slow is.
func TestSilentBodyIsGivenUp(t *testing.T) {
	const content = `{"schemaVersion":2}`
	for name, test := range map[string]struct {
		every, ends, took time.Duration
		want              string
	}{
		"slow":       {3 * time.Second, time.Hour, 3 * time.Second * time.Duration(len(content)), ""},
		"trickling":  {10 * time.Second, time.Hour, time.Minute, "less than 16384 bytes"},
		"silent":     {2 * time.Hour, time.Hour, time.Minute, "no byte"},
		"called off": {2 * time.Hour, time.Second, time.Second, "canceled"},
	} {
		synctest.Test(t, func(t *testing.T) {
			reg, err := registry.New("quay.io", registry.Options{Transport: paced(answering(func(req *http.Request) *http.Response {
				return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(content)),
					Header: http.Header{"Content-Type": {ocispec.MediaTypeImageManifest}},
					Body:   &dripping{req.Context(), test.every, strings.NewReader(content)}}
			}))})
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

// A registry that stops reading an upload is not waited for without end, and one
// that reads slowly, or late, is.
func TestUploadThatNobodyReads(t *testing.T) {
	content := strings.Repeat("x", 10)
	for name, test := range map[string]struct {
		begin, every time.Duration
		reads        int // of the content, then it stops
		want         string
	}{
		"slow":  {0, 50 * time.Second, 11, ""},
		"late":  {time.Hour, 0, 11, ""},
		"stops": {0, time.Second, 3, "no byte was taken"},
	} {
		synctest.Test(t, func(t *testing.T) {
			sent := 0
			reg, err := registry.New("quay.io", registry.Options{Transport: paced(roundTrips(func(req *http.Request) (*http.Response, error) {
				resp := &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Header: http.Header{"Location": {"/v2/a/b/blobs/uploads/1"}}, Request: req}
				if req.Method != http.MethodPut {
					return resp, nil
				}
				sent++
				time.Sleep(test.begin)
				for range test.reads {
					if _, err := req.Body.Read(make([]byte, 1)); err == io.EOF {
						resp.StatusCode = http.StatusCreated
						return resp, nil
					}
					time.Sleep(test.every)
				}
				<-req.Context().Done()
				return nil, req.Context().Err()
			}))})
			if err != nil {
				t.Fatal(err)
			}
			r, err := reg.Repository("a/b")
			if err != nil {
				t.Fatal(err)
			}
			err = r.Upload(t.Context(), describe([]byte(content), ""), opened([]byte(content), nil))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, sent %d times", name, err, sent)
			}
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

// A blob that comes as slowly as a bad line allows is read to its end, and one
// that trickles a byte a second is given up.
func TestTricklingBlobIsGivenUp(t *testing.T) {
	content := strings.Repeat("x", 100<<10)
	for every, ends := range map[time.Duration]bool{
		3 * time.Millisecond:  true, // 20 kB a minute
		time.Second:           false,
		10 * time.Millisecond: false, // 6 kB a minute
	} {
		synctest.Test(t, func(t *testing.T) {
			reg, err := registry.New("quay.io", registry.Options{Transport: paced(answering(func(req *http.Request) *http.Response {
				return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(content)), Body: &dripping{req.Context(), every, strings.NewReader(content)}}
			}))})
			if err != nil {
				t.Fatal(err)
			}
			r, err := reg.Repository("a/b")
			if err != nil {
				t.Fatal(err)
			}
			body, _, err := r.Blob(t.Context(), describe([]byte(content), ""), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			begin := time.Now()
			_, err = io.Copy(io.Discard, body)
			if took := time.Since(begin); ends && err != nil || !ends && (!errors.Is(err, pace.ErrStalled) || took != time.Minute) {
				t.Errorf("a byte every %v: after %v: %v", every, took, err)
			}
		})
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A failingBody is a body that breaks off, or comes a byte so often.
type failingBody struct {
	ctx   context.Context
	every time.Duration // 0: it breaks off
}

func (b failingBody) Read(p []byte) (int, error) {
	if b.every == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	select {
	case <-time.After(b.every):
		return copy(p, "x"), nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (failingBody) Close() error { return nil }

// fetchBlob sends a request and reads the body of its answer.
func fetchBlob(ctx context.Context, rt http.RoundTripper, method string) error {
	req, _ := http.NewRequestWithContext(ctx, method, "https://registry.example"+blob, nil)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// TestBodiesThatDoNotCome: a host goes on to answer, and its bodies do not come. All
// requests together wait for it for two minutes, HEAD requests prolong nothing, and
// the error names the host and the last cause.
func TestBodiesThatDoNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		cause string
	}{
		"breaks off":    {0, "unexpected EOF"},
		"trickles":      {time.Second, "stalled"},
		"sends nothing": {time.Hour, "stalled"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				base := roundTrip(func(req *http.Request) (*http.Response, error) {
					resp := &http.Response{StatusCode: 200, ProtoMajor: 1, Request: req, ContentLength: 1 << 20}
					switch {
					case req.Method == http.MethodHead:
						resp.Body = http.NoBody
					case time.Since(begin) < time.Second:
						resp.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20)))
					default:
						resp.Body = failingBody{req.Context(), c.every}
					}
					return resp, nil
				})
				rt := New(Options{Base: base, Retries: 25})
				get := func(method string) error { return fetchBlob(t.Context(), rt, method) }
				together(8, func(int) {
					if err := get(http.MethodGet); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(time.Second)
				var heads sync.WaitGroup
				heads.Go(func() {
					for time.Since(begin) < 100*time.Second {
						_ = get(http.MethodHead)
						time.Sleep(time.Second)
					}
				})
				together(8, func(int) {
					for {
						err := get(http.MethodGet)
						if err == nil {
							t.Error("no error")
							return
						}
						if down, ok := errors.AsType[*OutageError](err); ok {
							if !strings.Contains(err.Error(), "registry.example") || !strings.Contains(down.Last.Error(), c.cause) {
								t.Errorf("got %v, want the host and %q", err, c.cause)
							}
							return
						}
						body, ok := errors.AsType[*BodyError](err)
						if !ok || time.Since(begin) > 70*time.Second && !body.Shared {
							t.Errorf("after %v: got %v", time.Since(begin), err)
						}
						time.Sleep(time.Second)
					}
				})
				if took := time.Since(begin); took < patience || took > patience+10*time.Second {
					t.Errorf("given up after %v, want two minutes", took)
				}
				heads.Wait()
			})
		})
	}
}

// TestBodiesThatStallAfterAPause: time in which a host had nothing to send is no silence.
// Its bodies may stall once and be requested again.
func TestBodiesThatStallAfterAPause(t *testing.T) {
	for name, pause := range map[string]time.Duration{"no body before": 0, "pause": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stall := false
				base := roundTrip(func(req *http.Request) (*http.Response, error) {
					resp := &http.Response{StatusCode: 200, ProtoMajor: 1, Request: req, ContentLength: 1 << 10}
					switch {
					case req.Method == http.MethodHead:
						resp.Body = http.NoBody
					case !stall:
						resp.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<10)))
					default:
						resp.Body = failingBody{req.Context(), time.Second}
					}
					return resp, nil
				})
				rt := New(Options{Base: base, Retries: 25})
				get := func(method string) error { return fetchBlob(t.Context(), rt, method) }
				first := http.MethodHead
				if pause > 0 {
					first = http.MethodGet
				}
				if err := get(first); err != nil {
					t.Fatal(err)
				}
				time.Sleep(pause)
				stall = true
				begin := time.Now()
				together(4, func(int) {
					for {
						if down, ok := errors.AsType[*OutageError](get(http.MethodGet)); ok {
							if took := time.Since(begin); down.Silence > took+time.Second {
								t.Errorf("silent for %v after %v", down.Silence, took)
							}
							return
						}
					}
				})
				if took := time.Since(begin); took < patience || took > patience+10*time.Second {
					t.Errorf("given up after %v, want two minutes", took)
				}
			})
		})
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Paths of different classes.
const (
	check    = "/api/v1/repository/fleet/image/tag/"
	list     = "/api/v1/repository"
	taglist  = "/v2/fleet/image/tags/list"
	manifest = "/v2/fleet/image/manifests/latest"
	blob     = "/v2/fleet/image/blobs/sha256:00"
)

// in runs f in a bubble with a server and a transport for it.
func in(t *testing.T, s settings, o Options, f func(t *testing.T, m *model, rt *Transport)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newModel(s)
		rt := m.client(o)
		f(t, m, rt)
		rt.CloseIdleConnections()
	})
}

// send sends one request, and returns the status and body, or the error. It
// reads the body to its end.
func send(ctx context.Context, rt http.RoundTripper, path string, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "https://registry.example"+path, nil)
	if err != nil {
		return 0, "", err
	}
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// must sends a request that is to be answered 200, and returns how long it took.
func must(t *testing.T, rt *Transport, path string) time.Duration {
	t.Helper()
	begin := time.Now()
	if status, _, err := send(t.Context(), rt, path); status != 200 || err != nil {
		t.Errorf("%s: %d, %v", path, status, err)
	}
	return time.Since(begin)
}

// together sends n requests at once.
func together(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// once answers the first request for a path with a status, and others as usual.
func once(path string, status int, header ...string) func(*model, *http.Request, time.Duration) (int, http.Header) {
	done := false
	return func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
		if done || req.URL.Path != path {
			return 0, nil
		}
		done = true
		h := http.Header{}
		if len(header) == 2 {
			h.Set(header[0], header[1])
		}
		return status, h
	}
}

// until answers every request with a status for a while.
func until(end time.Duration, status int, after string) func(*model, *http.Request, time.Duration) (int, http.Header) {
	return func(_ *model, _ *http.Request, since time.Duration) (int, http.Header) {
		if since >= end {
			return 0, nil
		}
		h := http.Header{}
		if after != "" {
			h.Set("Retry-After", after)
		}
		return status, h
	}
}

func TestRetryAfterStopsItsClassOnly(t *testing.T) {
	for _, status := range []int{429, 503} {
		s := settings{latency: 20 * millisecond, answer: once(taglist, status, "Retry-After", "60")}
		in(t, s, Options{Retries: 3}, func(t *testing.T, m *model, rt *Transport) {
			var group sync.WaitGroup
			group.Go(func() {
				if took := must(t, rt, taglist); took < time.Minute || took > 62*time.Second {
					t.Errorf("%d: the one refused took %v, want a minute", status, took)
				}
			})
			time.Sleep(time.Second)
			group.Go(func() {
				if took := must(t, rt, taglist); took < 58*time.Second || took > 61*time.Second {
					t.Errorf("%d: another of its class took %v, want to wait as well", status, took)
				}
			})
			for _, path := range []string{manifest, blob, check, list} {
				if took := must(t, rt, path); took > time.Second {
					t.Errorf("%d: %s took %v, and was not refused", status, path, took)
				}
			}
			group.Wait()
			if m.requests != 7 {
				t.Errorf("%d: %d requests, want 7", status, m.requests)
			}
		})
	}
}

// TestTwoHoursOfRetryAfter: a server that says it wants to be left alone.
func TestTwoHoursOfRetryAfter(t *testing.T) {
	const hours = 2 * time.Hour
	after := strconv.Itoa(int(hours / time.Second))
	for _, c := range []struct {
		name     string
		maxWait  time.Duration
		budget   time.Duration
		status   int
		took     time.Duration
		requests int
	}{
		{"obeyed to the end", 3 * time.Hour, 3 * time.Hour, 200, hours, 2},
		{"looked at every five minutes", 0, 3 * time.Hour, 200, hours, 25},
		{"given up", 0, 0, 429, 5 * time.Minute, 2},
		{"given up at once", 3 * time.Hour, 0, 429, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Retries: 1, MaxWait: c.maxWait, MaxElapsed: c.budget}
			in(t, settings{latency: 20 * millisecond, answer: until(hours, 429, after)}, o, func(t *testing.T, m *model, rt *Transport) {
				begin := time.Now()
				status, body, err := send(t.Context(), rt, check)
				if status != c.status || body != "{}" || err != nil {
					t.Errorf("got %d %q %v, want %d", status, body, err, c.status)
				}
				if took := time.Since(begin); took < c.took || took > c.took+30*time.Second {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if m.requests != c.requests {
					t.Errorf("%d requests, want %d", m.requests, c.requests)
				}
			})
		})
	}
}

func TestEveryWaitEndsWithItsContext(t *testing.T) {
	slow := settings{latency: 20 * millisecond, limit: allowance{5, 25}, http1: true}
	for name, s := range map[string]settings{
		"at the gate":       {latency: 20 * millisecond, answer: until(time.Hour, 429, "3600")},
		"after a failure":   {latency: 20 * millisecond, answer: until(time.Hour, 503, "300")},
		"under a limit":     slow,
		"on the way":        {latency: time.Hour},
		"behind the window": {latency: 20 * millisecond, workers: 1, work: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, s, Options{Retries: 5, MaxElapsed: 2 * time.Hour, MaxWait: time.Hour}, func(t *testing.T, m *model, rt *Transport) {
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
				defer cancel()
				ended := 0
				var mu sync.Mutex
				together(200, func(int) {
					_, _, err := send(ctx, rt, check)
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, context.DeadlineExceeded) {
						ended++
					} else if err != nil {
						t.Error(err)
					}
				})
				if took := time.Since(m.began); took != 7*time.Second || ended < 100 {
					t.Errorf("%d ended with the context, all after %v", ended, took)
				}
				if h := rt.Stats()[0]; h.Classes[0].Requests != h.Requests || m.inflight != 0 {
					t.Errorf("something is left: %+v", h)
				}
				for _, h := range rt.hosts {
					if f := h.classQueues[0]; f.inflight != 0 || f.unanswered != 0 || f.queue.length() != 0 {
						t.Errorf("left behind: %d in flight, %d unanswered, %d waiting", f.inflight, f.unanswered, f.queue.length())
					}
				}
			})
		})
	}
}

func TestOtherMethodsPassOnce(t *testing.T) {
	in(t, settings{answer: until(time.Hour, 503, "")}, Options{Retries: 5}, func(t *testing.T, m *model, rt *Transport) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://registry.example/v2/fleet/image/blobs/uploads/", strings.NewReader("x"))
		resp, err := rt.RoundTrip(req)
		if err != nil || resp.StatusCode != 503 || m.requests != 1 {
			t.Fatalf("got %v, %v after %d requests", resp, err, m.requests)
		}
		resp.Body.Close()
	})
}

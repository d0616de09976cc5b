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
	"time"
)

func TestClassesHaveBudgetsOfTheirOwn(t *testing.T) {
	s := settings{latency: 20 * millisecond, limit: allowance{5, 25}, http1: true}
	s.answer = func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
		if classify(req.URL) != api {
			return 200, nil // no limit for these
		}
		return 0, nil
	}
	in(t, s, Options{Retries: 5}, func(t *testing.T, m *model, rt *Transport) {
		var group sync.WaitGroup
		group.Go(func() { together(60, func(int) { must(t, rt, check) }) })
		time.Sleep(time.Second)
		begin := time.Now()
		together(40, func(int) { must(t, rt, blob) })
		if took := time.Since(begin); took > time.Second {
			t.Errorf("blobs took %v behind the tag checks", took)
		}
		group.Wait()
	})
}

func TestTheUsersRateIsKept(t *testing.T) {
	in(t, settings{latency: 20 * millisecond}, Options{Rate: 10, Burst: 2}, func(t *testing.T, m *model, rt *Transport) {
		paths := []string{check, blob, manifest}
		together(102, func(i int) { must(t, rt, paths[i%3]) })
		// The first goes before the protocol is known, and two at once.
		if took := time.Since(m.began); took < 9900*millisecond || took > 10200*millisecond {
			t.Errorf("102 requests at 10/s took %v", took)
		}
		if m.dials != 1 {
			t.Errorf("%d dials", m.dials)
		}
	})
}

func TestBurstAlone(t *testing.T) {
	in(t, settings{latency: 20 * millisecond}, Options{Burst: 10, Connections: 1}, func(t *testing.T, m *model, rt *Transport) {
		together(9, func(int) { must(t, rt, check) })
		if h := rt.Stats()[0]; h.Classes[0].Rate != 49.5 {
			t.Errorf("%+v, want the published rate", h)
		}
		f := rt.hosts["https://registry.example:443"].classQueues[0]
		if got := f.budget.burst; got != 9 {
			t.Errorf("burst %v, want 10 and a margin", got)
		}
	})
}

// TestClassesShareAConnection: one that could fill it leaves room for another.
func TestClassesShareAConnection(t *testing.T) {
	in(t, settings{latency: 20 * millisecond}, Options{Connections: 1}, func(t *testing.T, m *model, rt *Transport) {
		var group sync.WaitGroup
		group.Go(func() { together(12000, func(int) { must(t, rt, check) }) })
		time.Sleep(500 * millisecond)
		together(100, func(int) { must(t, rt, "/other") })
		took := time.Since(m.began)
		group.Wait()
		if all := time.Since(m.began); took > all-300*millisecond {
			t.Errorf("100 requests were done after %v, and %v is what all took", took, all)
		}
	})
}

// TestOneThatIsAlwaysRefused holds the others up, and is given up when it is
// the only one.
func TestOneThatIsAlwaysRefused(t *testing.T) {
	s := settings{latency: 20 * millisecond, answer: func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
		if req.URL.Path == "/api/v1/never" {
			return 429, nil
		}
		return 0, nil
	}}
	in(t, s, Options{Retries: 1, MaxElapsed: 30 * time.Second}, func(t *testing.T, m *model, rt *Transport) {
		var group sync.WaitGroup
		var others time.Duration
		group.Go(func() {
			together(200, func(int) { must(t, rt, check) })
			others = time.Since(m.began)
		})
		status, _, err := send(t.Context(), rt, "/api/v1/never")
		group.Wait()
		if took := time.Since(m.began); status != 429 || err != nil || took > others+time.Minute {
			t.Errorf("got %d, %v after %v; the others took %v", status, err, took, others)
		}
		if others > time.Minute {
			t.Errorf("the others took %v", others)
		}
	})
}

func TestAttemptsAreBoundedInTime(t *testing.T) {
	s := settings{latency: 20 * millisecond}
	in(t, s, Options{Retries: 2, Timeout: time.Second}, func(t *testing.T, m *model, rt *Transport) {
		together(100, func(int) { must(t, rt, check) })
		m.mu.Lock()
		m.latency = time.Hour
		m.mu.Unlock()
		f := rt.hosts["https://registry.example:443"].classQueues[0]
		before := f.window.size
		begin := time.Now()
		together(10, func(int) {
			if _, _, err := send(t.Context(), rt, check); err == nil || !strings.HasSuffix(err.Error(), "no complete answer within 1s") {
				t.Errorf("got %v", err)
			}
		})
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("three attempts of a second took %v", took)
		}
		if f.window.size > before/2 {
			t.Errorf("the window is %v, and was %v", f.window.size, before)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	for asked, want := range map[int]int{-1: DefaultConnections, 0: DefaultConnections, 7: 7, 100: MaxConnections} {
		if got := New(Options{Connections: asked}).o.Connections; got != want {
			t.Errorf("%d connections asked for: %d, want %d", asked, got, want)
		}
	}
}

// TestASlotIsHeldUntilTheBodyIsRead: over HTTP/1.1 a request takes a connection
// until then.
func TestASlotIsHeldUntilTheBodyIsRead(t *testing.T) {
	for _, end := range []func(*http.Response){
		func(r *http.Response) { r.Body.Close() },
		func(r *http.Response) { io.Copy(io.Discard, r.Body) },
	} {
		in(t, settings{http1: true}, Options{Connections: 1}, func(t *testing.T, m *model, rt *Transport) {
			var open []*http.Response
			for range h1PerConnection + 4 { // to have the window grow
				must(t, rt, blob)
			}
			for _, f := range rt.hosts["https://registry.example:443"].classQueues {
				f.window.size = h1PerConnection
			}
			for range h1PerConnection {
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://registry.example"+blob, nil)
				resp, err := rt.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, resp)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, _, err := send(ctx, rt, blob); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want to wait", err)
			}
			end(open[0])
			must(t, rt, blob)
			for _, r := range open {
				r.Body.Close()
			}
		})
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheFirstRequestGoesAlone(t *testing.T) {
	s := settings{latency: 20 * millisecond, idle: 5 * time.Second}
	in(t, s, Options{}, func(t *testing.T, m *model, rt *Transport) {
		for round, rest := range []time.Duration{0, 4500 * millisecond, 10 * time.Second} {
			time.Sleep(rest) // the server closes the connection in the last of these only
			begin := time.Now()
			var group sync.WaitGroup
			for range 50 {
				group.Go(func() { must(t, rt, check) })
			}
			alone := 20 * millisecond
			if round != 1 {
				alone += 40 * millisecond // a dial
			}
			if round == 2 {
				alone = 40 * millisecond // the protocol is known: only the dial goes alone
			}
			time.Sleep(alone - millisecond)
			m.mu.Lock()
			if n := m.inflight; round != 2 && n != 1 || round == 2 && n > 1 {
				t.Errorf("round %d: %d requests in flight after %v, want one", round, n, time.Since(begin))
			}
			m.mu.Unlock()
			group.Wait()
		}
		if m.dials != 2 {
			t.Errorf("%d dials, want one for each connection that the server let live", m.dials)
		}
	})
}

// TestClosingConnectionsLoseNothing: a server that closes each connection after
// a few requests, with no retries allowed.
func TestClosingConnectionsLoseNothing(t *testing.T) {
	in(t, settings{latency: 20 * millisecond, lifetime: 40}, Options{}, func(t *testing.T, m *model, rt *Transport) {
		together(400, func(int) { must(t, rt, check) })
		if m.dials < 10 || m.dials > 10+DefaultConnections {
			t.Errorf("%d dials for 400 requests, 40 a connection", m.dials)
		}
	})
}

// TestADialThatFailsFailsAllThatWait: nobody dials again for each of them.
func TestADialThatFailsFailsAllThatWait(t *testing.T) {
	in(t, settings{latency: 20 * millisecond}, Options{Retries: 20}, func(t *testing.T, m *model, rt *Transport) {
		m.broken = errors.New("connect: connection refused")
		together(200, func(int) {
			if _, _, err := send(t.Context(), rt, check); !errors.Is(err, m.broken) {
				t.Errorf("got %v", err)
			}
		})
		// Each has tried again by itself, at times of its own.
		if took := time.Since(m.began); took > 40*time.Second {
			t.Errorf("took %v", took)
		}
		if m.dials > 200*MaxBroken/4 {
			t.Errorf("%d dials", m.dials)
		}
	})
}

// TestACalledOffRequestLeavesTheLaneFree: its turn to dial came together with
// the end of its context.
func TestACalledOffRequestLeavesTheLaneFree(t *testing.T) {
	for range 50 {
		in(t, settings{latency: 20 * millisecond}, Options{}, func(t *testing.T, m *model, rt *Transport) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, _, err := send(ctx, rt, check); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			must(t, rt, check)
			if d := rt.Stats()[0].Dials; d != m.dials {
				t.Errorf("%d dials, and %d counted", m.dials, d)
			}
		})
	}
}

func TestAServerThatComesBack(t *testing.T) {
	in(t, settings{latency: 20 * millisecond}, Options{Retries: 20}, func(t *testing.T, m *model, rt *Transport) {
		m.broken = errors.New("connect: connection refused")
		time.AfterFunc(2*time.Second, func() { m.mu.Lock(); m.broken = nil; m.mu.Unlock() })
		together(100, func(int) { must(t, rt, check) })
		if took := time.Since(m.began); took > 15*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestNoMoreConnectionsThanTheServerTakes: the second is not to be had.
func TestNoMoreConnectionsThanTheServerTakes(t *testing.T) {
	s := settings{latency: 20 * millisecond, limit: allowance{50, 100}}
	in(t, s, Options{Retries: 5}, func(t *testing.T, m *model, rt *Transport) {
		must(t, rt, check)
		m.broken = errors.New("connect: connection refused")
		together(400, func(int) { must(t, rt, check) })
		if m.dials != 2 {
			t.Errorf("%d dials, want one more at most", m.dials)
		}
	})
}

func TestEnhanceYourCalmIsARefusal(t *testing.T) {
	calm := errors.New("stream error: stream ID 3; ENHANCE_YOUR_CALM; received from peer")
	for _, retries := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			base := roundTrip(func(req *http.Request) (*http.Response, error) {
				if n++; n <= 2 {
					return nil, calm
				}
				return &http.Response{StatusCode: 200, ProtoMajor: 2, Body: http.NoBody, Request: req}, nil
			})
			rt := New(Options{Base: base, Retries: retries})
			begin := time.Now()
			status, _, err := send(t.Context(), rt, check)
			if retries == 0 {
				if !errors.Is(err, calm) || n != 1 {
					t.Errorf("got %d, %v after %d requests, want the error", status, err, n)
				}
				return
			}
			if status != 200 || err != nil || time.Since(begin) < 3*backoffMin {
				t.Errorf("got %d, %v after %v", status, err, time.Since(begin))
			}
			if s := rt.Stats()[0]; s.Requests != 3 || s.Refused != 2 || s.Retries != 2 {
				t.Errorf("%+v", s)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestStats(t *testing.T) {
	s := settings{latency: 20 * millisecond, limit: allowance{50, 100}, byAddress: true, lifetime: 1000}
	r := simulate(t, s, Options{}, discovery{repositories: 600})
	h := r.stats[0]
	if h.Host != "registry.example" || h.Proto != "HTTP/2.0" || h.Connections != 1 || h.Dials != r.model.dials || len(r.stats) != 1 {
		t.Errorf("%+v", h)
	}
	if h.Requests != int64(r.requests) || h.Refused != int64(r.model.refused) || h.Retries != h.Refused || h.Refused == 0 {
		t.Errorf("%+v, and the server counted %d requests, %d refused", h, r.requests, r.model.refused)
	}
	if c := h.Classes[0]; len(h.Classes) != 1 || c.Class != "api" || c.Known != "learned" || c.Counts != "address" ||
		c.Rate < 48 || c.Rate > 50 || c.Requests != h.Requests || c.Refused != h.Refused || c.Window < firstWindow {
		t.Errorf("%+v", h.Classes)
	}
}

func TestDialerOf(t *testing.T) {
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	for _, c := range []struct {
		name string
		base http.RoundTripper
		url  string
		want bool
	}{
		{"TLS", &http.Transport{}, "https://a.test/", true},
		{"plain: HTTP/1.1", &http.Transport{}, "http://a.test/", false},
		{"plain HTTP/2", &http.Transport{Protocols: h2c}, "http://a.test/", true},
		{"a connection a request", &http.Transport{DisableKeepAlives: true}, "https://a.test/", false},
		{"not a transport", roundTrip(nil), "https://a.test/", false},
	} {
		u, _ := url.Parse(c.url)
		if got := dialerFor(c.base, u) != nil; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"net/http"
	"testing"
	"time"
)

func TestAllWaitForOneAtATime(t *testing.T) {
	in(t, settings{latency: 20 * millisecond, answer: until(30*time.Second, 429, "")}, Options{Retries: 1}, func(t *testing.T, m *model, rt *Transport) {
		together(200, func(int) { must(t, rt, check) })
		if took := time.Since(m.began); took < 30*time.Second || took > 35*time.Second {
			t.Errorf("took %v, want little more than 30 s", took)
		}
		if m.refused > 15 {
			t.Errorf("%d refusals in 30 s, want a few", m.refused)
		}
	})
}

// TestWaitsAtTheGateDouble looks at when a server that refuses everything is
// asked: 250 ms later and twice that each time, up to 4 s, and to 30 s when it
// goes on.
func TestWaitsAtTheGateDouble(t *testing.T) {
	var asked []time.Duration
	s := settings{answer: func(_ *model, _ *http.Request, since time.Duration) (int, http.Header) {
		asked = append(asked, since)
		return 429, nil
	}}
	in(t, s, Options{Retries: 1}, func(t *testing.T, m *model, rt *Transport) {
		if status, _, err := send(t.Context(), rt, check); status != 429 || err != nil {
			t.Errorf("got %d, %v", status, err)
		}
		want := backoffMin
		for i := 1; i < len(asked); i++ {
			wait := asked[i] - asked[i-1]
			most := max(want, min(asked[i-1]/backoffPart, maxBackoff))
			if wait < want || wait > most+backoffMin/4 {
				t.Errorf("wait %d is %v, want %v to %v and a little", i, wait, want, most)
			}
			want = min(2*want, backoffMax)
		}
		if last := asked[len(asked)-1]; last < 9*time.Minute || last > DefaultMaxElapsed || len(asked) > 60 {
			t.Errorf("asked %d times, the last time after %v; want until ten minutes", len(asked), last)
		}
	})
}

func TestGivingUpIsForAllThatWait(t *testing.T) {
	in(t, settings{latency: 20 * millisecond, answer: until(time.Hour, 429, "")}, Options{Retries: 1, MaxElapsed: time.Minute}, func(t *testing.T, m *model, rt *Transport) {
		together(100, func(int) {
			if status, body, err := send(t.Context(), rt, check); status != 429 || body != "{}" || err != nil {
				t.Errorf("got %d %q %v, want the server's refusal", status, body, err)
			}
		})
		if took := time.Since(m.began); took < 50*time.Second || took > time.Minute {
			t.Errorf("took %v, want a minute at most", took)
		}
		if m.requests > 25 {
			t.Errorf("%d requests", m.requests)
		}
	})
}

// TestNeverGivenUpWhileSomeAreAdmitted: nine in ten are refused, whatever the
// client does, for longer than the budget.
func TestNeverGivenUpWhileSomeAreAdmitted(t *testing.T) {
	n := 0
	s := settings{latency: 20 * millisecond, answer: func(*model, *http.Request, time.Duration) (int, http.Header) {
		if n++; n%10 == 0 {
			return 0, nil
		}
		return 429, nil
	}}
	in(t, s, Options{Retries: 1, MaxElapsed: 30 * time.Second}, func(t *testing.T, m *model, rt *Transport) {
		together(50, func(int) { must(t, rt, check) })
		if took := time.Since(m.began); took < time.Minute {
			t.Errorf("took %v: too short to tell", took)
		}
	})
}

func TestNoRetriesAreNoWaits(t *testing.T) {
	in(t, settings{latency: 20 * millisecond, answer: until(time.Hour, 429, "")}, Options{}, func(t *testing.T, m *model, rt *Transport) {
		for range 10 {
			if status, _, err := send(t.Context(), rt, check); status != 429 || err != nil {
				t.Errorf("got %d, %v", status, err)
			}
		}
		if took := time.Since(m.began); m.requests != 10 || took > time.Second {
			t.Errorf("%d requests in %v, want 10 without waits", m.requests, took)
		}
	})
}

// A mount that is refused is not waited for, and closes the gate for nobody: the blob
// is uploaded instead.
func TestRefusedMountClosesNoGate(t *testing.T) {
	const uploads = "/v2/mirror/base/blobs/uploads/"
	s := settings{answer: func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
		if req.URL.Query().Has("mount") {
			return 429, http.Header{"Retry-After": {"100"}}
		}
		return 202, nil
	}}
	in(t, s, Options{Retries: 1}, func(t *testing.T, m *model, rt *Transport) {
		for _, path := range []string{uploads + "?mount=sha256:0&from=mirror/other", uploads} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://quay.test"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := rt.RoundTrip(req)
			if err != nil || resp.StatusCode == 429 != req.URL.Query().Has("mount") {
				t.Fatalf("%s: %v", path, err)
			}
			_ = resp.Body.Close()
		}
		if took := time.Since(m.began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

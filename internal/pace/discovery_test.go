// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A discovery does what package discover does: pages one after the other, a
// check for each repository on them, so many checks at once, and a bound on how
// far the listing runs ahead.
type discovery struct {
	host         string // registry.example, unless it matters
	repositories int
	jobs         int // 128, unless it matters
}

// run returns how long it took, and how many answers are missing.
func (d discovery) run(t *testing.T, rt http.RoundTripper) (wall time.Duration, missing int) {
	t.Helper()
	d.host, d.jobs = cmp.Or(d.host, "registry.example"), cmp.Or(d.jobs, 128)
	get := func(path string) bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+d.host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return false
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err == nil && resp.StatusCode == 200
	}
	begin := time.Now()
	candidates := make(chan int, d.jobs)
	var group sync.WaitGroup
	group.Go(func() {
		defer close(candidates)
		for first := 0; first < d.repositories; first += 100 {
			if !get(fmt.Sprintf("/api/v1/repository?public=true&namespace=fleet&next_page=%d", first)) {
				t.Error("a page is missing")
				return
			}
			for i := first; i < min(first+100, d.repositories); i++ {
				candidates <- i
			}
		}
	})
	var mu sync.Mutex
	missing = d.repositories
	for range d.jobs {
		group.Go(func() {
			for i := range candidates {
				if get(fmt.Sprintf("/api/v1/repository/fleet/image-%06d/tag/?specificTag=x", i)) {
					mu.Lock()
					missing--
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return time.Since(begin), missing
}

// result is what came of a simulated discovery.
type result struct {
	wall    time.Duration
	missing int
	*model
	stats []HostStats
}

func (r result) share() float64 { return float64(r.model.refused) / float64(r.requests) }

func (r result) median() time.Duration {
	slices.Sort(r.latencies)
	return r.latencies[len(r.latencies)/2]
}

// simulate runs a discovery against a server, in virtual time.
func simulate(t *testing.T, s settings, o Options, d discovery) (r result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.model = newModel(s)
		o.Retries = cmp.Or(o.Retries, 10)
		rt := r.client(o)
		r.wall, r.missing = d.run(t, rt)
		r.stats = rt.Stats()
		if n := r.usable(); !s.http1 && n != r.stats[0].Connections {
			t.Errorf("%d connections take requests, and %d are known", n, r.stats[0].Connections)
		}
		rt.CloseIdleConnections()
		if r.open != 0 && !s.http1 {
			t.Errorf("%d connections stay open", r.open)
		}
	})
	return r
}

// unpaced is the client without any pace: one connection, dialled again when
// the server closes it, and as many requests at once as it is asked for.
type unpaced struct {
	m    *model
	lock chan struct{} // not a mutex: time goes on while it is held
	conn clientConn
}

func (f *unpaced) RoundTrip(req *http.Request) (*http.Response, error) {
	for {
		f.lock <- struct{}{}
		if f.conn == nil || f.conn.Available() == 0 {
			f.conn, _ = f.m.dial(req.Context())
		}
		c := f.conn
		<-f.lock
		if resp, err := c.RoundTrip(req); err == nil {
			return resp, nil
		}
	}
}

// best returns how long an unpaced discovery takes at the best concurrency
// there is for one connection.
func best(t *testing.T, s settings, d discovery) time.Duration {
	t.Helper()
	least := time.Hour
	for _, jobs := range []int{16, 32, 64, 100} {
		synctest.Test(t, func(t *testing.T) {
			d.jobs = jobs
			wall, _ := d.run(t, &unpaced{m: newModel(s), lock: make(chan struct{}, 1)})
			least = min(least, wall)
		})
	}
	return least
}

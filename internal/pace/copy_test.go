// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A copying does what package mirror does to a server: a listing, a check for
// each image, its manifest, and its blobs, each once, some at a time.
type copying struct {
	images int
	jobs   int // blobs at once; 8, unless it matters
}

// Sizes in bytes, of the set that the peers were measured with: a layer of all
// images, one of each of six groups, one of each image, and a configuration.
const (
	baseSize  = 4_600_000
	groupSize = 3_300_000
	ownSize   = 2_810_000
	smallSize = 700
)

// blobs gives the paths of an image's blobs. The model reads the size from it.
func (c copying) blobs(i int) []string {
	name := func(what string, n, size int) string {
		return fmt.Sprintf("/v2/fleet/image-%d/blobs/sha256:%s-%d?size=%d", i, what, n, size)
	}
	var paths []string
	if i == 0 {
		paths = append(paths, name("base", 0, baseSize))
	}
	if i < 6 {
		paths = append(paths, name("group", i, groupSize))
	}
	return append(paths, name("own", i, ownSize), name("config", i, smallSize))
}

// bytes is how much there is to fetch.
func (c copying) bytes() int64 {
	return int64(baseSize + min(c.images, 6)*groupSize + c.images*(ownSize+smallSize))
}

// fetch sends a request, and tells whether the answer is good and whole.
func fetch(t *testing.T, rt http.RoundTripper, path string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://registry.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return false
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == 200 && n == resp.ContentLength
}

// run returns how long it took, when the last manifest was in, and how many
// answers are missing.
func (c copying) run(t *testing.T, rt http.RoundTripper) (wall, planned time.Duration, missing int) {
	t.Helper()
	get := func(path string) bool { return fetch(t, rt, path) }
	var mu sync.Mutex
	missed := func(ok bool) {
		if !ok {
			mu.Lock()
			missing++
			mu.Unlock()
		}
	}
	begin := time.Now()
	missed(get("/api/v1/repository?namespace=fleet"))
	var images, blobs sync.WaitGroup
	turns := make(chan struct{}, cmp.Or(c.jobs, 8))
	for i := range c.images {
		images.Go(func() {
			missed(get(fmt.Sprintf("/api/v1/repository/fleet/image-%d/tag/", i)))
			missed(get(fmt.Sprintf("/v2/fleet/image-%d/manifests/sha256:%d", i, i)))
			for _, path := range c.blobs(i) {
				blobs.Go(func() {
					turns <- struct{}{}
					missed(get(path))
					<-turns
				})
			}
		})
	}
	images.Wait()
	planned = time.Since(begin)
	blobs.Wait()
	return time.Since(begin), planned, missing
}

// copied is what came of a simulated copy.
type copied struct {
	wall, planned time.Duration
	missing       int
	*model
	stats []HostStats
}

// simulateCopy runs a copy against a server, in virtual time.
func simulateCopy(t *testing.T, s settings, o Options, c copying) (r copied) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.model = newModel(s)
		o.Retries = cmp.Or(o.Retries, 10)
		rt := r.client(o)
		r.wall, r.planned, r.missing = c.run(t, rt)
		r.stats = rt.Stats()
		rt.CloseIdleConnections()
	})
	return r
}

// eachFirst answers the first n requests for each URL with a status.
func eachFirst(n, status int, after string) func(*model, *http.Request, time.Duration) (int, http.Header) {
	seen := map[string]int{}
	return func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
		if seen[req.URL.Path]++; seen[req.URL.Path] > n {
			return 0, nil
		}
		h := http.Header{}
		if after != "" {
			h.Set("Retry-After", after)
		}
		return status, h
	}
}

// TestCopies runs copies through the faults that a registry may have. The limit
// is what the link needs, and what the server makes a client wait: of a
// listing, a check, a manifest and a blob each is asked for after the other.
func TestCopies(t *testing.T) {
	link := settings{latency: 20 * millisecond, lifetime: 1000, link: 100e6}
	with := func(answer func(*model, *http.Request, time.Duration) (int, http.Header)) settings {
		s := link
		s.answer = answer
		return s
	}
	for _, s := range []struct {
		name   string
		server settings
		images int
		jobs   int
		waits  time.Duration // of the server's own
		most   time.Duration // beside those, and what the link needs
	}{
		{"clean", link, 60, 8, 0, 250 * millisecond},
		{"clean, far away", settings{latency: 100 * millisecond, lifetime: 1000, link: 100e6}, 60, 32, 0, 900 * millisecond},
		{"two 503 a URL", with(eachFirst(2, 503, "")), 12, 32, 0, time.Second},
		{"two 503 a URL, 60 images", with(eachFirst(2, 503, "")), 60, 32, 0, 1200 * millisecond},
		{"20 s of 429", with(until(20*time.Second, 429, "")), 12, 8, 20 * time.Second, 4500 * millisecond},
		{"20 s of 503", with(until(20*time.Second, 503, "")), 12, 8, 20 * time.Second, 15 * time.Second},
	} {
		t.Run(s.name, func(t *testing.T) {
			c := copying{images: s.images, jobs: s.jobs}
			r := simulateCopy(t, s.server, Options{}, c)
			need := time.Duration(float64(c.bytes()) / s.server.link * float64(time.Second))
			t.Logf("%.2f s, link %.2f s, the server's waits %v; planned in %.2f s; %d requests, %d refused, %d dials, at most %d bodies at once",
				r.wall.Seconds(), need.Seconds(), s.waits, r.planned.Seconds(), r.requests, r.refused, r.dials, r.streamPeak)
			if over := r.wall - need - s.waits; over > s.most || r.missing > 0 || r.carried != c.bytes() {
				t.Errorf("%v too long, want %v at most; %d missing; %d bytes, want %d", over, s.most, r.missing, r.carried, c.bytes())
			}
		})
	}
}

// TestAVerySlowServer looks at a server that admits one request in 5 s.
func TestAVerySlowServer(t *testing.T) {
	next := 300 * millisecond // its allowance is used up at first
	s := settings{latency: 20 * millisecond, answer: func(_ *model, _ *http.Request, since time.Duration) (int, http.Header) {
		if since >= next {
			next = since + 5*time.Second
			return 0, nil
		}
		return 429, http.Header{"Retry-After": {"5"}}
	}}
	in(t, s, Options{Retries: 3}, func(t *testing.T, m *model, rt *Transport) {
		together(40, func(int) { must(t, rt, check) })
		if took := time.Since(m.began); took > 270*time.Second || m.refused > 90 {
			t.Errorf("took %v, want 270 s at most; %d refused, want two for each admitted", took, m.refused)
		}
	})
}

// TestLongBodiesHoldNobodyBack: neither other classes nor requests of their own
// wait for bodies that are being read.
func TestLongBodiesHoldNobodyBack(t *testing.T) {
	in(t, settings{latency: 20 * millisecond, link: 100e6}, Options{Retries: 3}, func(t *testing.T, m *model, rt *Transport) {
		var long sync.WaitGroup
		for i := range 8 {
			long.Go(func() { fetch(t, rt, fmt.Sprintf("/v2/fleet/image/blobs/sha256:%d?size=200000000", i)) })
		}
		time.Sleep(time.Second)
		if n := m.bodies(); n != 8 {
			t.Errorf("%d bodies at once, want 8", n)
		}
		begin := time.Now()
		together(60, func(i int) { must(t, rt, fmt.Sprintf("/v2/fleet/image/manifests/%d", i)) })
		together(60, func(i int) { must(t, rt, fmt.Sprintf("/v2/fleet/image/blobs/sha256:config-%d", i)) })
		if took, n := time.Since(begin), m.bodies(); took > 4*time.Second || n != 8 {
			t.Errorf("120 small answers took %v, and %d bodies are left", took, n)
		}
		long.Wait()
	})
}

// TestOurOwnLoadIsNotTheServers: a link that bodies fill makes all answers
// slow, which does not make the requests fewer that plan the copy.
func TestOurOwnLoadIsNotTheServers(t *testing.T) {
	for _, latency := range []time.Duration{millisecond, 20 * millisecond} {
		c := copying{images: 1000, jobs: 16}
		r := simulateCopy(t, settings{latency: latency, lifetime: 1000, link: 100e6}, Options{}, c)
		need := time.Duration(float64(c.bytes()) / 100e6 * float64(time.Second))
		t.Logf("%v: %v, link %v, planned in %v, at most %d bodies at once", latency, r.wall, need, r.planned, r.streamPeak)
		if r.planned > need/3 || r.wall > need*11/10 || r.missing > 0 {
			t.Errorf("%v: planned in %v of %v, and the link needs %v; %d missing", latency, r.planned, r.wall, need, r.missing)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

const page = "/api/v1/repository?public=true"

// TestAListingWaitsForNobody: not for a window that checks have filled, not for
// a connection that they have, and not for those that look for a limit.
func TestAListingWaitsForNobody(t *testing.T) {
	in(t, settings{latency: 20 * millisecond}, Options{Connections: 1}, func(t *testing.T, m *model, rt *Transport) {
		must(t, rt, page)
		var group sync.WaitGroup
		group.Go(func() { together(4000, func(int) { must(t, rt, check) }) })
		time.Sleep(5 * millisecond)
		for range 20 {
			if took := must(t, rt, page); took > 22*millisecond {
				t.Errorf("a page took %v, %v after the beginning", took, time.Since(m.began))
			}
		}
		group.Wait()
		if m.connPeak > connWindow {
			t.Errorf("%d requests at once on the connection", m.connPeak)
		}
	})
}

// TestRequestsLeaveEvenly where no limit holds them back, and those of a page
// are asked for at once.
func TestRequestsLeaveEvenly(t *testing.T) {
	var mu sync.Mutex
	arrived := map[time.Duration]int{} // in each millisecond
	s := settings{latency: 20 * millisecond, answer: func(_ *model, _ *http.Request, since time.Duration) (int, http.Header) {
		mu.Lock()
		defer mu.Unlock()
		arrived[since.Truncate(millisecond)]++
		return 0, nil
	}}
	in(t, s, Options{Connections: 1}, func(t *testing.T, m *model, rt *Transport) {
		together(1000, func(int) { must(t, rt, check) }) // finds that there is no limit
		time.Sleep(time.Second)
		clear(arrived)
		begin := time.Now()
		together(100, func(int) { must(t, rt, check) })
		most := 0
		for _, n := range arrived {
			most = max(most, n)
		}
		if took := time.Since(begin); most > 3*bundle || took > 2*20*millisecond {
			t.Errorf("%d in a millisecond, and all in %v", most, took)
		}
	})
}

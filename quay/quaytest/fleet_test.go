// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"

	"github.com/quayside/quayside/quay/quaytest"
)

func fleetHandler(t testing.TB, n int, opts quaytest.FleetOptions) *quaytest.Handler {
	t.Helper()
	h, err := quaytest.NewHandler(quaytest.Fleet(n, opts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func TestFleetHoldsWhatWasAskedFor(t *testing.T) {
	for _, c := range []struct {
		n      int
		opts   quaytest.FleetOptions
		public int
		dead   int
		tagged int
	}{
		{0, quaytest.FleetOptions{}, 0, 0, 0},
		{250, quaytest.FleetOptions{}, 250, 0, 250},
		{1876, quaytest.FleetOptions{Namespace: "org", Tag: "v1", NoLiveTag: 188}, 1876, 188, 1688},
		{1000, quaytest.FleetOptions{Every: 10, NoLiveTag: 100, Private: 7}, 993, -1, -1},
		{300, quaytest.FleetOptions{NoLiveTag: 300, Private: 0}, 300, 300, 0},
	} {
		namespace, tag := "fleet", "2025.1"
		if c.opts.Namespace != "" {
			namespace, tag = c.opts.Namespace, c.opts.Tag
		}
		d := quaytest.Fleet(c.n, c.opts)
		h := fleetHandler(t, c.n, c.opts)
		names := listAll(t, h, "namespace="+namespace+"&public=true", "")
		if len(names) != c.public || !slices.IsSorted(names) {
			t.Errorf("%d %+v: %d names", c.n, c.opts, len(names))
		}
		dead, tagged := 0, 0
		for i, r := range d.Repositories {
			if want := fmt.Sprintf("image-%06d", i); r.Name != want {
				t.Fatalf("repository %d is %s", i, r.Name)
			}
			last := r.Tags[len(r.Tags)-1]
			if !last.End.IsZero() {
				dead++
			} else if last.Name == tag {
				tagged++
			}
		}
		if c.dead >= 0 && (dead != c.dead || tagged != c.tagged) {
			t.Errorf("%d %+v: %d without live tag, %d with %s", c.n, c.opts, dead, tagged, tag)
		}
		if c.opts.Every == 10 && (dead != 100 || tagged != 90) {
			t.Errorf("%d %+v: %d without live tag, %d with %s", c.n, c.opts, dead, tagged, tag)
		}
	}
}

// The repositories of a fleet share their tags, so a large fleet takes little memory.
func TestFleetIsCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 200,000 repositories")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 200_000
	h := fleetHandler(t, n, quaytest.FleetOptions{Every: 10, NoLiveTag: n / 10})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / n; each > 250 {
		t.Errorf("%d bytes a repository", each)
	}
	if p := tags(t, h, "fleet/image-199990", "onlyActiveTags=true"); len(p.Tags) == 0 {
		t.Error("the last repository has no tags")
	}
}

func benchmarkRequest(b *testing.B, target string) {
	h := fleetHandler(b, 1_000_000, quaytest.FleetOptions{Every: 10, NoLiveTag: 100_000})
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkTag(b *testing.B) {
	benchmarkRequest(b, "/api/v1/repository/fleet/image-500000/tag/?specificTag=2025.1&onlyActiveTags=true&limit=1")
}

func BenchmarkList(b *testing.B) {
	benchmarkRequest(b, "/api/v1/repository?namespace=fleet&public=true&last_modified=true")
}

func BenchmarkNewHandler(b *testing.B) {
	d := quaytest.Fleet(1_000_000, quaytest.FleetOptions{Every: 10})
	for b.Loop() {
		h, err := quaytest.NewHandler(d)
		if err != nil {
			b.Fatal(err)
		}
		h.Close()
	}
}

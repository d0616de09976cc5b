// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/report"
)

func TestImagesComeBackAsTheyWent(t *testing.T) {
	var kept report.Images
	odd := present
	odd.Repository, odd.Digest = "odd", digest.NewDigestFromEncoded(digest.SHA512, strings.Repeat("ab", 64))
	upper := present
	upper.Repository, upper.Digest = "upper", digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("AB", 32))
	early := present
	early.Repository, early.Started = "early", time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)
	want := []report.Image{present, absent, unknown, early, index, odd, upper} // by name
	for _, i := range []report.Image{upper, index, unknown, odd, present, early, absent} {
		kept.Add(i)
	}
	sorted := kept.Sorted()
	for range 2 { // may be ranged over again
		if diff := cmp.Diff(want, slices.Collect(sorted)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestImagesSortByNameNotByLine(t *testing.T) {
	var kept report.Images
	want := []string{"h/n/a:t", "h/n/a:u", "h/n/a-b:t", "h/n/a/b:t", "h/n/ab:t", "h/o/a:t", "i/m/a:t"}
	for _, i := range []int{6, 2, 5, 3, 1, 0, 4} {
		host, rest, _ := strings.Cut(want[i], "/")
		namespace, rest, _ := strings.Cut(rest, "/")
		name, tag, _ := strings.Cut(rest, ":")
		kept.Add(report.Image{Host: host, Namespace: namespace, Repository: name, Tag: tag})
	}
	var names []string
	for i := range kept.Sorted() {
		names = append(names, i.Reference())
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestImagesAreSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	const n = 100_000
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	var kept report.Images
	for _, i := range rand.Perm(n) {
		one := present
		one.Repository = fmt.Sprintf("image-%06d", i)
		one.Digest = digest.Digest(fmt.Sprintf("sha256:%064x", i))
		kept.Add(one)
	}
	each := (inUse() - before) / n
	if each > 160 {
		t.Errorf("%d bytes for each image; doc/guide/output.md promises some 130", each)
	}
	last := -1
	for i := range kept.Sorted() {
		last++
		if want := fmt.Sprintf("image-%06d", last); i.Repository != want {
			t.Fatalf("got %s, want %s", i.Repository, want)
		}
	}
	if last != n-1 {
		t.Errorf("%d images, want %d", last+1, n)
	}
}

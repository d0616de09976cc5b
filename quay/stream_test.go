// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay"
)

// endless is a transport that serves a listing of n repositories.
func endless(n int) transport {
	page := 0
	return func(r *http.Request) (*http.Response, error) {
		first, cursor := page*100, fmt.Sprint("cursor-of-page-", page+2)
		if page++; page*100 >= n {
			cursor = ""
		}
		return &http.Response{
			StatusCode: 200, Request: r, ContentLength: -1,
			Body: io.NopCloser(strings.NewReader(listing(first, 100, cursor))),
		}, nil
	}
}

// TestListIsFlatInMemory reads 50,000 repositories and looks at what is alive
// near the start and near the end: two hashes a page are all that may stay.
func TestListIsFlatInMemory(t *testing.T) {
	const n = 50_000
	c := client(t, "http://quay.test", quay.WithTransport(endless(n)))
	var early, late uint64
	count := 0
	for _, err := range list(c, "org") {
		if err != nil {
			t.Fatal(err)
		}
		switch count++; count {
		case 10_000:
			early = alive()
		case n:
			late = alive()
		}
	}
	if count != n {
		t.Fatalf("%d repositories, want %d", count, n)
	}
	const most = 512 << 10
	if late > early+most {
		t.Errorf("%d bytes alive after 10,000 repositories and %d after %d, want no more than %d on top", early, late, n, most)
	}
}

func alive() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkRepositories(b *testing.B) {
	c := client(b, "http://quay.test", quay.WithTransport(endless(b.N)))
	b.ReportAllocs()
	for _, err := range list(c, "org") {
		if err != nil {
			b.Fatal(err)
		}
	}
}

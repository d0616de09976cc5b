// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

func prefetched(ctx context.Context, c *quay.Client, namespace string) func(yield func(quay.Repository, error) bool) {
	return c.Repositories(ctx, quay.RepositoryQuery{Namespace: namespace, Prefetch: true})
}

// TestPrefetchAsksBeforeItsReaderGoesOn: the reader holds the first repository
// until the second page has been asked for. The third waits for the reader.
func TestPrefetchAsksBeforeItsReaderGoesOn(t *testing.T) {
	var asked atomic.Int64
	second := make(chan struct{})
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		if n == 2 {
			close(second)
		}
		fmt.Fprint(w, listing(n*10, 2, []string{"b", "c", ""}[n-1]))
	})
	var got []string
	for r, err := range prefetched(t.Context(), client(t, url), "org") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, r.Name); len(got) == 1 {
			select {
			case <-second:
			case <-time.After(10 * time.Second):
				t.Fatal("the second page is not asked for")
			}
		}
		if n := asked.Load(); n > int64(len(got)+1)/2+1 {
			t.Errorf("%d pages asked for at repository %d", n, len(got))
		}
	}
	if fmt.Sprint(got) != "[r10 r11 r20 r21 r30 r31]" {
		t.Errorf("got %v", got)
	}
}

// TestPrefetchIsTheSameList, page by page and with the error in its place.
func TestPrefetchIsTheSameList(t *testing.T) {
	s := embedded(t)
	c := client(t, s.URL())
	want, wantErr := drain(t, list(c, "harbourline"))
	got, err := drain(t, prefetched(t.Context(), c, "harbourline"))
	if fmt.Sprint(got) != fmt.Sprint(want) || err != nil || wantErr != nil || len(got) <= 100 {
		t.Errorf("%d repositories, %v; want %d, %v", len(got), err, len(want), wantErr)
	}
	s = embedded(t, quaytest.WithQuirk("repeat-cursor", ""))
	got, err = drain(t, prefetched(t.Context(), client(t, s.URL()), "harbourline"))
	wantError(t, err, "malformed", "page 2", "circles")
	if len(got) != 100 {
		t.Errorf("%d repositories before the error, want 100", len(got))
	}
}

// TestPrefetchCallsOffWhatItsReaderLeaves: a break leaves no goroutine.
func TestPrefetchCallsOffWhatItsReaderLeaves(t *testing.T) {
	before := goleak.IgnoreCurrent()
	calledOff := make(chan struct{})
	second := make(chan struct{})
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("next_page") == "" {
			fmt.Fprint(w, listing(0, 2, "b"))
			return
		}
		close(second)
		<-r.Context().Done()
		close(calledOff)
	})
	c := client(t, url)
	for range prefetched(t.Context(), c, "org") {
		<-second
		break
	}
	<-calledOff
	c.Close()
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*Server).Serve"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"))
}

// TestPrefetchEndsWithTheContext, with an error that says what was attempted.
func TestPrefetchEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	second := make(chan struct{})
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("next_page") == "" {
			fmt.Fprint(w, listing(0, 2, "b"))
			return
		}
		close(second)
		<-r.Context().Done()
	})
	n := 0
	var last error
	for _, err := range prefetched(ctx, client(t, url), "org") {
		if last = err; err == nil {
			n++
			<-second
			cancel()
		}
	}
	if n != 2 || last == nil || ctx.Err() == nil {
		t.Errorf("%d repositories, then %v", n, last)
	}
	wantError(t, last, "canceled", "list repositories", "org", "canceled")
}

// TestPrefetchThatIsCancelledWhileAPageWaits: the page that waited for its
// reader is handed out, as without Prefetch, and then comes an error of this
// package's own.
func TestPrefetchThatIsCancelledWhileAPageWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pages := endless(500)
		polite := transport(func(r *http.Request) (*http.Response, error) {
			if r.Context().Err() != nil {
				return nil, r.Context().Err()
			}
			return pages(r)
		})
		c := client(t, "http://quay.test", quay.WithTransport(polite))
		n := 0
		for _, err := range prefetched(ctx, c, "org") {
			if err != nil {
				wantError(t, err, "canceled", "list repositories org")
				continue
			}
			if n++; n == 1 {
				synctest.Wait() // the second page is there
				cancel()
				synctest.Wait()
			}
		}
		if n != 200 {
			t.Errorf("%d repositories, want two pages", n)
		}
	})
}

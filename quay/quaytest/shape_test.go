// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

func readRecording(t *testing.T, name string) recording {
	t.Helper()
	return readJSON[recording](t, recordings+"/"+name+".json")
}

// took returns how long f takes in the bubble's time.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func TestLatencyDelaysEveryAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits, err := quaytest.ParseLimits("h1=1/0")
		if err != nil {
			t.Fatal(err)
		}
		stopped := func() time.Time { return time.Unix(1_700_000_000, 0) }
		h := newHandler(t, quaytest.WithLatency(20*time.Millisecond), quaytest.WithLimits(limits), quaytest.WithClock(stopped))
		for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
			d := took(func() {
				if w := ask(h, 1, h1Address, listPath); w.Code != want {
					t.Errorf("status %d, want %d", w.Code, want)
				}
			})
			if d != 20*time.Millisecond {
				t.Errorf("%d took %v, want 20ms", want, d)
			}
		}
	})
}

func TestDateIsTheServersClock(t *testing.T) {
	stopped := func() time.Time { return time.Unix(1795446151, 0) }
	w := ask(newHandler(t, quaytest.WithClock(stopped)), 1, h1Address, listPath)
	if got, want := w.Header().Get("Date"), "Mon, 23 Nov 2026 15:02:31 GMT"; got != want {
		t.Errorf("Date %q, want %q", got, want)
	}
}

// Answers share the bandwidth: two at once take as long as two in a row.
func TestByteRateIsShared(t *testing.T) {
	d := harbour()
	d.Repositories[0].Description = strings.Repeat("x", 200_000)
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprint(n, " at once"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, err := quaytest.NewHandler(d, quaytest.WithByteRate(100_000))
				if err != nil {
					t.Fatal(err)
				}
				defer h.Close()
				elapsed := took(func() {
					var all sync.WaitGroup
					for range n {
						all.Go(func() { ask(h, 1, h1Address, listPath) })
					}
					all.Wait()
				})
				want := time.Duration(float64(h.Stats().Bytes) / 100_000 * float64(time.Second))
				if h.Stats().Bytes < int64(n)*200_000 || elapsed > want || elapsed < want-10*time.Millisecond {
					t.Errorf("%d bytes took %v, want %v", h.Stats().Bytes, elapsed, want)
				}
			})
		})
	}
}

func TestCapacityQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("capacity", "50"))
		for _, n := range []int{1, 100} {
			elapsed := took(func() {
				var all sync.WaitGroup
				for range n {
					all.Go(func() {
						if w := ask(h, 2, h1Address, listPath); w.Code != http.StatusOK {
							t.Errorf("status %d", w.Code)
						}
					})
				}
				all.Wait()
			})
			if want := time.Duration(n) * 20 * time.Millisecond; elapsed != want {
				t.Errorf("%d at once took %v, want %v", n, elapsed, want)
			}
		}
	})
}

// Object storage is another host, which is not busy.
func TestCapacityIsNotTheStorages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("capacity", "1"))
		if d := took(func() { ask(h, 2, h1Address, "/blobs/q/sha256/00/"+zeros) }); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// Recording outage-timeout: nginx waits 60 s for the backend.
func TestCapacityTimesOut(t *testing.T) {
	rec := readRecording(t, "outage-timeout")
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("capacity", "0.01"))
		var w *httptest.ResponseRecorder
		if d := took(func() { w = ask(h, 1, h1Address, rec.Exchanges[0].Request.Target) }); d != time.Minute {
			t.Errorf("answered after %v, want a minute", d)
		}
		checkResponse(t, w, rec.Exchanges[0])
	})
}

// Recording http-long: lines that do not fit nginx's buffers.
func TestTooLongIsRefusedAsRecorded(t *testing.T) {
	rec := readRecording(t, "http-long")
	h := newHandler(t)
	for _, x := range rec.Exchanges {
		r := httptest.NewRequest(x.Request.Method, x.Request.Target, nil)
		for name, value := range x.Request.Headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		checkResponse(t, w, x)
	}
}

// Section 6: on both APIs the application server accepts a request line of 4094 bytes
// without the line end. Object storage is another host.
func TestRequestLineOfTheApplicationServer(t *testing.T) {
	h := newHandler(t, quaytest.WithObjectStorage())
	const more = len("GET  HTTP/1.1")
	for path, taken := range map[string]int{listPath + "&x=": 200, "/v2/auth?scope=repository:harbour/plain:pull&x=": 200, "/blobs/q/sha256/00/00?x=": 403} {
		for line, want := range map[int]int{4094: taken, 4095: 400, 8000: 400} {
			if taken == 403 {
				want = 403
			}
			w := ask(h, 1, h1Address, path+strings.Repeat("a", line-more-len(path)))
			if w.Code != want || want == 400 && !strings.Contains(w.Body.String(), "<title>Bad Request</title>") {
				t.Errorf("%s with a line of %d: %d %q, want %d", path, line, w.Code, w.Body, want)
			}
		}
	}
}

func checkResponse(t *testing.T, w *httptest.ResponseRecorder, x recorded) {
	t.Helper()
	if w.Code != x.Response.Status || w.Body.String() != *x.Response.Body {
		t.Errorf("%d %q, recorded %d %q", w.Code, w.Body, x.Response.Status, *x.Response.Body)
	}
	for _, name := range []string{"content-type", "content-length", "connection"} {
		if got, want := w.Header().Get(name), x.Response.Headers[name]; got != want {
			t.Errorf("%d: header %s is %q, recorded %q", w.Code, name, got, want)
		}
	}
}

// Section 6, and the connection header of the recordings.
func TestConnectionEndsAfterAnAnswer(t *testing.T) {
	h := newHandler(t)
	kept := newHandler(t, quaytest.WithQuirk("keepalive", ""))
	for target, want := range map[string]string{
		listPath:                            "close",
		tagPath:                             "close",
		"/v2/":                              "close",
		"/v2/auth":                          "close",
		"/v2/_catalog":                      "close",
		blobPath:                            "close",
		"/v2/harbour/plain/manifests/1.0":   "",
		"/v2/harbour/a/b/manifests/1.0":     "close",
		"/v2/harbour/plain/tags/list":       "close",
		"/blobs/q/sha256/00/" + zeros:       "",
		"/v2/harbour/plain/manifests/1.0?a": "",
	} {
		if got := ask(h, 1, h1Address, target).Header().Get("Connection"); got != want {
			t.Errorf("HTTP/1.1 %s: Connection %q, want %q", target, got, want)
		}
		if got := ask(h, 2, h1Address, target).Header().Get("Connection"); got != "" {
			t.Errorf("HTTP/2 %s: Connection %q", target, got)
		}
		if got := ask(kept, 1, h1Address, target).Header().Get("Connection"); got != "" {
			t.Errorf("HTTP/1.1 with keepalive %s: Connection %q", target, got)
		}
	}
}

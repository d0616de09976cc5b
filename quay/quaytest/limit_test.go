// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// newHandler returns a handler with one public repository and one token.
func newHandler(t *testing.T, opts ...quaytest.Option) *quaytest.Handler {
	t.Helper()
	h, err := quaytest.NewHandler(harbour(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func harbour() *quaytest.Dataset {
	return &quaytest.Dataset{
		Users:         []quaytest.User{{Name: "pilot", Enabled: true}},
		Organizations: []quaytest.Organization{{Name: "harbour", Enabled: true, Owners: []string{"pilot"}}},
		Repositories: []quaytest.Repository{{
			Namespace: "harbour", Name: "plain", Public: true,
			Tags: []quaytest.Tag{{Name: "1.0", Digest: "sha256:" + zeros, Start: time.Unix(1_700_000_000, 0)}},
		}},
		Tokens: []quaytest.Token{{Name: "pilot-token", User: "pilot", Scope: "repo:read"}},
	}
}

const (
	zeros     = "0000000000000000000000000000000000000000000000000000000000000000"
	listPath  = "/api/v1/repository?namespace=harbour&public=true"
	tagPath   = "/api/v1/repository/harbour/plain/tag/?specificTag=1.0&onlyActiveTags=true&limit=1"
	blobPath  = "/v2/harbour/plain/blobs/sha256:" + zeros
	h1Address = "192.0.2.1:40000"
)

// ask sends a GET with a protocol version and a client address to a handler.
func ask(h http.Handler, major int, address, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.ProtoMajor, r.RemoteAddr = major, address
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// passes counts how many of n requests in a row are not refused.
func passes(h http.Handler, n, major int, address, target string) int {
	passed := 0
	for range n {
		if ask(h, major, address, target).Code != http.StatusTooManyRequests {
			passed++
		}
	}
	return passed
}

// Recording limit-http1: 28 of 40 requests in a row passed, some 15 ms each.
func TestLimitsRefuseAsRecorded(t *testing.T) {
	type row struct {
		recording
		Statuses []int `json:"statuses_of_40_in_a_row"`
	}
	rec := readJSON[row](t, recordings+"/limit-http1.json")
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithLimits(quaytest.QuayLimits()))
		var got []int
		var last *httptest.ResponseRecorder
		for range rec.Statuses {
			last = ask(h, 1, h1Address, rec.Exchanges[1].Request.Target)
			got = append(got, last.Code)
			time.Sleep(15 * time.Millisecond)
		}
		if diff := cmp.Diff(rec.Statuses, got); diff != "" {
			t.Errorf("statuses (-recorded +got):\n%s", diff)
		}
		want := rec.Exchanges[1].Response
		if last.Body.String() != *want.Body {
			t.Errorf("body %q, recorded %q", last.Body, *want.Body)
		}
		for name, value := range want.Headers {
			if got := last.Header().Get(name); got != value {
				t.Errorf("header %s: %q, recorded %q", name, got, value)
			}
		}
		if last.Header().Get("Retry-After") != "" {
			t.Error("nginx sends no Retry-After")
		}
	})
}

// The table of doc/quay-api.md section 6.
func TestQuayLimitsByPath(t *testing.T) {
	const flat, nested = "/v2/harbour/plain/", "/v2/harbour/tools/inner/"
	for _, c := range []struct {
		target         string
		major          int
		rate, burst    int
		withCredential bool
	}{
		{target: listPath, major: 1, rate: 5, burst: 25},
		{target: listPath, major: 2, rate: 50, burst: 100},
		{target: tagPath, major: 1, rate: 5, burst: 25},
		{target: tagPath, major: 2, rate: 50, burst: 100},
		{target: flat + "manifests/1.0", major: 1, rate: 50, burst: 10},
		{target: flat + "manifests/1.0", major: 2, rate: 500, burst: 50},
		{target: flat + "tags/list", major: 1, rate: 5, burst: 2},
		{target: flat + "tags/list", major: 2, rate: 50, burst: 2},
		{target: blobPath, major: 1, rate: 50, burst: 50},
		{target: blobPath, major: 2, rate: 500, burst: 100},
		{target: "/v2/_catalog", major: 1, rate: 5, burst: 1},
		{target: "/v2/_catalog", major: 2, rate: 50, burst: 5},
		{target: "/v2/", major: 1, rate: 60, burst: 20},
		{target: "/v2/", major: 2, rate: 600, burst: 80},
		{target: nested + "manifests/1.0", major: 1, rate: 60, burst: 20},
		{target: nested + "tags/list", major: 2, rate: 600, burst: 80},
		{target: "/v1/search", major: 1, rate: 5, burst: 5},
		{target: "/v1/search", major: 2, rate: 50, burst: 25},
	} {
		t.Run(fmt.Sprintf("HTTP%d%s", c.major, c.target), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t, quaytest.WithLimits(quaytest.QuayLimits()))
				if got, want := passes(h, c.burst+10, c.major, h1Address, c.target), c.burst+1; got != want {
					t.Errorf("%d passed at once, want the burst and one: %d", got, want)
				}
				time.Sleep(time.Second)
				if got, want := passes(h, c.rate+10, c.major, h1Address, c.target), min(c.rate, c.burst+1); got != want {
					t.Errorf("%d passed a second later, want %d", got, want)
				}
			})
		})
	}
}

// Section 6: /api/, /v1/ and the catalog share a zone.
func TestLocationsShareAZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithLimits(quaytest.QuayLimits()))
		if got := passes(h, 3, 1, h1Address, listPath); got != 3 {
			t.Fatalf("%d of 3 listings passed", got)
		}
		if got := passes(h, 1, 1, h1Address, "/v2/_catalog"); got != 0 {
			t.Error("the catalog, burst 1, passed with two listings outstanding")
		}
		if got := passes(h, 1, 1, h1Address, "/v2/"); got != 1 {
			t.Error("the rest of /v2/ shares a zone with /api/")
		}
	})
}

func TestLimitKeys(t *testing.T) {
	limits, err := quaytest.ParseLimits("h1=1/4,h2=1/9")
	if err != nil {
		t.Fatal(err)
	}
	const otherPort, otherHost = "192.0.2.1:40001", "192.0.2.2:40000"
	for _, c := range []struct {
		key                   quaytest.LimitKey
		major                 int
		first, port, host, v2 int // passed of 20
	}{
		{key: quaytest.LimitByConnection, major: 1, first: 5, port: 0, host: 5, v2: 20},
		{key: quaytest.LimitByConnection, major: 2, first: 10, port: 10, host: 10, v2: 20},
		{key: quaytest.LimitByAddress, major: 1, first: 5, port: 0, host: 5, v2: 20},
		{key: quaytest.LimitByAddress, major: 2, first: 10, port: 0, host: 10, v2: 20},
	} {
		t.Run(fmt.Sprintf("%s HTTP%d", c.key, c.major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t, quaytest.WithLimits(limits), quaytest.WithLimitKey(c.key))
				got := []int{
					passes(h, 20, c.major, h1Address, listPath), passes(h, 20, c.major, otherPort, listPath),
					passes(h, 20, c.major, otherHost, listPath), passes(h, 20, c.major, h1Address, "/v2/"),
				}
				if diff := cmp.Diff([]int{c.first, c.port, c.host, c.v2}, got); diff != "" {
					t.Errorf("passed from an address, another port, another host, on /v2/ (-want +got):\n%s", diff)
				}
			})
		})
	}
	if _, err := quaytest.NewHandler(harbour(), quaytest.WithLimitKey("port")); err == nil {
		t.Error("an unknown key was accepted")
	}
}

// Section 6: the token endpoint limits by Authorization header, and does not limit
// requests without one.
func TestTokenEndpointLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithLimits(quaytest.QuayLimits()))
		const target = "/v2/auth?service=quay.test&scope=repository:harbour/plain:pull"
		if got := passes(h, 20, 2, h1Address, target); got != 20 {
			t.Errorf("%d of 20 anonymous requests passed", got)
		}
		for _, credential := range []string{"Basic b25lOm9uZQ==", "Basic dHdvOnR3bw=="} {
			passed := 0
			for range 20 {
				r := httptest.NewRequest(http.MethodGet, target, nil)
				r.Header.Set("Authorization", credential)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusTooManyRequests {
					passed++
				}
			}
			if passed != 3 {
				t.Errorf("%d of 20 requests with one credential passed, want 3", passed)
			}
		}
	})
}

// The limiter drops the buckets that are empty, and no others.
func TestLimitsHoldAmongManyAddresses(t *testing.T) {
	limits, err := quaytest.ParseLimits("h1=0.001/2")
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, quaytest.WithLimits(limits))
	passes(h, 3, 1, h1Address, "/api/")
	for i := range 3000 {
		if got := passes(h, 1, 1, fmt.Sprintf("198.18.%d.%d:1", i/256, i%256), "/api/"); got != 1 {
			t.Fatalf("address %d is refused", i)
		}
	}
	if got := passes(h, 1, 1, h1Address, "/api/"); got != 0 {
		t.Error("a full bucket was forgotten")
	}
}

func TestLimitsChangeInMidRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("limits-after", "10s:h2=2/3"))
		time.Sleep(time.Hour) // the time runs from the first request
		if got := passes(h, 500, 2, h1Address, listPath); got != 500 {
			t.Errorf("%d of 500 passed before the limit", got)
		}
		time.Sleep(10 * time.Second)
		if got := passes(h, 500, 2, h1Address, listPath); got != 4 {
			t.Errorf("%d passed at once after the change, want 4", got)
		}
	})
}

func TestParseLimitsNamesWhatIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		"h3=5/2":        `quaytest: limits "h3=5/2": "h3=5/2" begins with neither h1= nor h2=`,
		"h1=5/2,h1=1/1": `quaytest: limits "h1=5/2,h1=1/1": h1 is given twice`,
		"h2=50":         `quaytest: limits "h2=50": "h2=50": want RATE/BURST with a rate of 0.001 to 1000000 requests a second`,
		"h2=NaN/5":      `quaytest: limits "h2=NaN/5": "h2=NaN/5": want RATE/BURST with a rate of 0.001 to 1000000 requests a second`,
		"h2=0/5":        `quaytest: limits "h2=0/5": "h2=0/5": want RATE/BURST with a rate of 0.001 to 1000000 requests a second`,
		"h2=5/-1":       `quaytest: limits "h2=5/-1": "h2=5/-1": burst "-1" is not a count`,
	} {
		if _, err := quaytest.ParseLimits(in); err == nil || err.Error() != want {
			t.Errorf("ParseLimits(%q): %v, want %s", in, err, want)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	for _, s := range []string{"", "none", "quay.io", "h2=50/100,h1=5/25", "h1=0.5/0", "h1=1e3/1", "h2=/", "h1=5/25,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := quaytest.ParseLimits(s)
		if err != nil {
			return
		}
		again, err := quaytest.ParseLimits(l.String())
		if err != nil || again.String() != l.String() {
			t.Errorf("%q printed as %q, which reads as %q, %v", s, l, again, err)
		}
	})
}

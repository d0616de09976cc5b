// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// statuses sends n requests and returns their statuses.
func statuses(h http.Handler, n int, target string) []int {
	var got []int
	for range n {
		got = append(got, ask(h, 2, h1Address, target).Code)
	}
	return got
}

func TestQuirkIsPlayedWhen(t *testing.T) {
	const other = "/api/v1/repository/harbour/other/tag/"
	for _, c := range []struct {
		name, value, target string
		want                []int
	}{
		{"html-502", "", listPath, []int{502, 502, 502, 502}},
		{"html-502", "", "/v2/", []int{502, 502, 502, 502}},
		{"html-404", "2", listPath, []int{200, 404, 200, 404}},
		{"html-500", "/api/v1/repository/harbour/*/tag/", tagPath, []int{500, 500, 500, 500}},
		{"html-500", "/api/v1/repository/*/tag/", tagPath, []int{200, 200, 200, 200}},
		{"html-500", "/api/**/tag/", tagPath, []int{500, 500, 500, 500}},
		{"html-502", "3:/api/**/tag/", tagPath, []int{200, 200, 502, 200}},
		{"html-502", "/api/**/tag/", listPath, []int{200, 200, 200, 200}},
		{"random-401", "2", tagPath, []int{200, 401, 200, 401}},
		{"random-401", "1", listPath, []int{200, 200, 200, 200}},
		{"random-401", "/**/other/tag/", other, []int{401, 401, 401, 401}},
		{"malformed", "2", listPath, []int{200, 200, 200, 200}},
		{"malformed", "", "/v2/", []int{401, 401, 401, 401}},
		{"outage", "1:404:/v2/**", listPath, []int{200, 200, 200, 200}},
		{"outage", "3:429:/v2/**:11", "/v2/a/b/blobs/sha256:11", []int{429, 429, 429, 401}},
		{"outage", "1:503:/blobs/**", "/blobs/q/sha256/00/" + zeros, []int{503, 308, 308, 308}},
		{"outage", "9", "/blobs/q/sha256/00/" + zeros, []int{308, 308, 308, 308}}, // object storage is another host
		{"outage", "3", listPath, []int{503, 503, 503, 200}},
		{"outage", "2:429", tagPath, []int{429, 429, 200, 200}},
		{"outage", "1:504", tagPath, []int{504, 200, 200, 200}},
		{"outage", "0", tagPath, []int{200, 200, 200, 200}},
	} {
		h := newHandler(t, quaytest.WithQuirk(c.name, c.value))
		if diff := cmp.Diff(c.want, statuses(h, 4, c.target)); diff != "" {
			t.Errorf("%s=%s on %s (-want +got):\n%s", c.name, c.value, c.target, diff)
		}
	}
	h := newHandler(t, quaytest.WithQuirk("random-401", ""))
	if got := statuses(h, 20, tagPath); got[9] != 401 || got[19] != 401 || slices.Index(got, 401) != 9 {
		t.Errorf("random-401 without a value is every tenth, got %v", got)
	}
}

func TestOutageLastsFromTheFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("outage", "5s:500"))
		time.Sleep(time.Hour)
		got := statuses(h, 2, listPath)
		time.Sleep(5*time.Second - time.Millisecond)
		got = append(got, statuses(h, 1, listPath)...)
		time.Sleep(time.Millisecond)
		got = append(got, statuses(h, 2, listPath)...)
		if diff := cmp.Diff([]int{500, 500, 500, 200, 200}, got); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

// Recording outage-database has gunicorn's page.
func TestHTML500IsAsRecorded(t *testing.T) {
	rec := readRecording(t, "outage-database")
	h := newHandler(t, quaytest.WithQuirk("html-500", ""))
	for _, x := range rec.Exchanges[:2] {
		checkResponse(t, ask(h, 1, h1Address, x.Request.Target), x)
	}
}

// The page of a dead backend is Quay's and has the recorded length.
func TestHTML502IsAsRecorded(t *testing.T) {
	w := request(newHandler(t, quaytest.WithQuirk("html-502", "")), http.MethodGet, listPath, "")
	if w.Code != 502 || w.Body.Len() != 446 || w.Header().Get("Content-Type") != "text/html" {
		t.Errorf("%d %q with %d bytes, recorded (outage-backend) 502 text/html with 446", w.Code, w.Header().Get("Content-Type"), w.Body.Len())
	}
}

func TestHTMLPagesAreHTML(t *testing.T) {
	for _, name := range []string{"html-502", "html-404"} {
		w := ask(newHandler(t, quaytest.WithQuirk(name, "")), 2, h1Address, listPath)
		if ct := w.Header().Get("Content-Type"); ct != "text/html" || !strings.HasPrefix(w.Body.String(), "<html>") {
			t.Errorf("%s: %q %q", name, ct, w.Body)
		}
	}
}

func TestMalformedIsJSONThatBreaksOff(t *testing.T) {
	h := newHandler(t, quaytest.WithQuirk("malformed", "2"))
	for i, wantValid := range []bool{true, false, true} {
		w := ask(h, 2, h1Address, listPath)
		if valid := json.Valid(w.Body.Bytes()); valid != wantValid || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("answer %d: valid JSON %v, want %v: %q", i+1, valid, wantValid, w.Body)
		}
	}
}

func TestRefusalsOfAProxy(t *testing.T) {
	limits, err := quaytest.ParseLimits("h2=1/0")
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, quaytest.WithLimits(limits), quaytest.WithQuirk("retry-after", "7"), quaytest.WithQuirk("empty-429", ""))
	ask(h, 2, h1Address, listPath)
	w := ask(h, 2, h1Address, listPath)
	if w.Code != 429 || w.Body.Len() != 0 || w.Header().Get("Retry-After") != "7" ||
		w.Header().Get("X-Envoy-Ratelimited") != "true" || w.Header().Get("Content-Type") != "" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestCutBreaksOffInMidBody(t *testing.T) {
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, append(opts, quaytest.WithQuirk("cut", "2"))...)
			whole := read(t, s, listPath)
			resp, err := s.Client().Get(s.URL() + listPath)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil || len(body) == 0 || len(body) >= len(whole) || string(body) != whole[:len(body)] {
				t.Errorf("read %q, %v; want some of %q and an error", body, err, whole)
			}
			if read(t, s, listPath) != whole {
				t.Error("the next answer is not whole")
			}
		})
	}
}

func TestStallEndsAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("stall", ""))
		w := httptest.NewRecorder()
		d := took(func() {
			defer func() {
				if r := recover(); r != any(http.ErrAbortHandler) {
					t.Errorf("the answer ended with %v, want http.ErrAbortHandler", r)
				}
			}()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, listPath, nil))
		})
		if d != time.Minute || w.Body.Len() == 0 || json.Valid(w.Body.Bytes()) {
			t.Errorf("stalled for %v after %q", d, w.Body)
		}
	})
}

func TestStallEndsWithTheServer(t *testing.T) {
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, append(opts, quaytest.WithQuirk("stall", ""))...)
			resp, err := s.Client().Get(s.URL() + listPath)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var closing sync.WaitGroup
			closing.Go(s.Close)
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("the body ended well: %q", body)
			}
			closing.Wait()
		})
	}
}

func TestQuirkIsRefused(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"html-503", "", `quaytest: no quirk is named "html-503"`},
		{"html-502", "often", `quaytest: quirk "html-502": value "often": want a count, a glob that begins with a slash, or COUNT:GLOB`},
		{"html-502", "0", `quaytest: quirk "html-502": value "0": want a count, a glob that begins with a slash, or COUNT:GLOB`},
		{"cut", "3:blobs", `quaytest: quirk "cut": value "3:blobs": glob "blobs" does not begin with a slash`},
		{"keepalive", "yes", `quaytest: quirk "keepalive": value "yes": this quirk has no value`},
		{"vanish", "plain", `quaytest: quirk "vanish": value "plain": want NAMESPACE/REPOSITORY`},
		{"capacity", "", `quaytest: quirk "capacity": value "": want 0.001 to 1000000 requests a second`},
		{"retry-after", "soon", `quaytest: quirk "retry-after": value "soon": want whole seconds`},
		{"cut-first", "", `quaytest: quirk "cut-first": value "": count "": want how many requests for each URL`},
		{"cut-first", "2:blobs", `quaytest: quirk "cut-first": value "2:blobs": glob "blobs" does not begin with a slash`},
		{"outage", "long", `quaytest: quirk "outage": value "long": "long" is neither a count nor a duration`},
		{"outage", "5:200", `quaytest: quirk "outage": value "5:200": status "200" is not one of 400 to 599`},
		{"outage", "5:", `quaytest: quirk "outage": value "5:": status "" is not one of 400 to 599`},
		{"outage", "5:403:blobs", `quaytest: quirk "outage": value "5:403:blobs": glob "blobs" does not begin with a slash`},
		{"limits-after", "h2=5/5", `quaytest: quirk "limits-after": value "h2=5/5": want DURATION:LIMITS, such as 30s:h2=25/50`},
		{"limits-after", "5s:h2", `quaytest: quirk "limits-after": value "5s:h2": "h2": want RATE/BURST with a rate of 0.001 to 1000000 requests a second`},
	} {
		if _, err := quaytest.NewHandler(harbour(), quaytest.WithQuirk(c.name, c.value)); err == nil || err.Error() != c.want {
			t.Errorf("%s=%s: %v, want %s", c.name, c.value, err, c.want)
		}
	}
	_, err := quaytest.NewHandler(harbour(), quaytest.WithQuirk("cut", "2"), quaytest.WithQuirk("cut", "3"))
	if want := `quaytest: quirk "cut" is given twice`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Every quirk has a help text and the line of the fact behind it, or an invention.
func TestQuirksAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../doc/quay-api.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	infos := quaytest.QuirkList()
	if !slices.IsSortedFunc(infos, func(a, b quaytest.QuirkInfo) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("quirks are not sorted by name")
	}
	for _, q := range infos {
		switch {
		case q.Help == "" || q.Fact == "" && q.Invented == "":
			t.Errorf("%s has no help, or neither a fact nor an invention", q.Name)
		case q.Fact != "" && (q.Line < 1 || q.Line > len(lines) || !strings.Contains(lines[q.Line-1], q.Fact)):
			at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, q.Fact) })
			t.Errorf("%s: line %d of doc/quay-api.md lacks %q; it is in line %d", q.Name, q.Line, q.Fact, at+1)
		}
	}
}

func FuzzQuirk(f *testing.F) {
	for _, q := range quaytest.QuirkList() {
		f.Add(q.Name, "")
		f.Add(q.Name, "3:/v2/**/blobs/*")
		f.Add(q.Name, "5s:h2=1/1")
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		h, err := quaytest.NewHandler(harbour(), quaytest.WithQuirk(name, value))
		if err != nil {
			return
		}
		defer h.Close()
		if name == "capacity" || name == "stall" {
			return // these wait
		}
		defer func() {
			if r := recover(); r != nil && !errors.Is(r.(error), http.ErrAbortHandler) {
				panic(r)
			}
		}()
		if w := ask(h, 2, h1Address, tagPath); w.Code < 200 || w.Code > 599 {
			t.Errorf("%s=%s: status %d", name, value, w.Code)
		}
	})
}

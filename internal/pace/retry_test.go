// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/pace"
)

// A base answers attempts in turn; the last answer stands for all after it.
type base struct {
	answers []answer
	asked   []time.Time
	idle    int // calls of CloseIdleConnections
}

type answer struct {
	status int
	header string // "Name: value", or ""
	body   string
	err    error
}

func (b *base) RoundTrip(req *http.Request) (*http.Response, error) {
	a := b.answers[min(len(b.asked), len(b.answers)-1)]
	b.asked = append(b.asked, time.Now())
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{}
	if name, value, ok := strings.Cut(a.header, ": "); ok {
		h.Set(name, value)
	}
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/2.0", Header: h, Request: req,
		Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

func (b *base) CloseIdleConnections() { b.idle++ }

func isJSON(_ *http.Request, _ *http.Response, body []byte) error {
	if !json.Valid(body) {
		return errors.New("not JSON")
	}
	return nil
}

// ask sends one request and returns the status and body, or the error.
func ask(t *testing.T, ctx context.Context, o pace.Options, method string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://quay.test/api/v1/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := pace.New(o).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), nil
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}

func TestRetriesWhatMayPass(t *testing.T) {
	untrusted := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	for _, c := range []struct {
		name     string
		first    answer
		method   string
		attempts int
	}{
		{"200", answer{status: 200, body: "{}"}, "GET", 1},
		{"200 that is not JSON", answer{status: 200, body: "<html>"}, "GET", 2},
		{"200 with half of it", answer{status: 200, body: `{"tags": [`}, "GET", 2},
		{"empty 200", answer{status: 200}, "GET", 2},
		{"301", answer{status: 301}, "GET", 1},
		{"400", answer{status: 400}, "GET", 1},
		{"401", answer{status: 401}, "GET", 1},
		{"404", answer{status: 404}, "GET", 1},
		{"429", answer{status: 429}, "GET", 2},
		{"500", answer{status: 500}, "GET", 1},
		{"501", answer{status: 501}, "GET", 1},
		{"502", answer{status: 502}, "GET", 2},
		{"503", answer{status: 503}, "GET", 2},
		{"504", answer{status: 504}, "GET", 2},
		{"520", answer{status: 520}, "GET", 2},
		{"reset", answer{err: errReset}, "GET", 2},
		{"cut", answer{err: io.ErrUnexpectedEOF}, "GET", 2},
		{"name server busy", answer{err: &net.DNSError{IsTemporary: true}}, "GET", 2},
		{"no such host", answer{err: &net.DNSError{IsNotFound: true}}, "GET", 1},
		{"untrusted certificate", answer{err: untrusted}, "GET", 1},
		{"plain HTTP on a TLS port", answer{err: http.ErrSchemeMismatch}, "GET", 1},
		{"not TLS", answer{err: tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}}, "GET", 1},
		{"HEAD 503", answer{status: 503}, "HEAD", 2},
		{"HEAD 200", answer{status: 200}, "HEAD", 1},
		{"POST 503", answer{status: 503}, "POST", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &base{answers: []answer{c.first, {status: 200, body: "{}"}}}
				status, body, err := ask(t, t.Context(), pace.Options{Base: b, Retries: 4, Validate: isJSON}, c.method)
				if len(b.asked) != c.attempts {
					t.Errorf("%d attempts, want %d", len(b.asked), c.attempts)
				}
				want := c.first
				if c.attempts > 1 {
					want = answer{status: 200, body: "{}"}
				}
				if status != want.status || body != want.body || !errors.Is(err, want.err) {
					t.Errorf("got %d %q %v, want %d %q %v", status, body, err, want.status, want.body, want.err)
				}
			})
		})
	}
}

func TestGivesUpWithTheLastAnswer(t *testing.T) {
	for _, c := range []struct {
		name     string
		a        answer
		attempts int
	}{
		{"down: some", answer{status: 503, body: "upstream connect error"}, 1 + pace.MaxDown},
		{"unreadable: a few", answer{status: 200, body: "<html>"}, 1 + pace.MaxBroken},
		{"no connection: a few", answer{err: errReset}, 1 + pace.MaxBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &base{answers: []answer{c.a}}
				status, body, err := ask(t, t.Context(), pace.Options{Base: b, Retries: 30, Validate: isJSON}, "GET")
				if status != c.a.status || body != c.a.body || err != c.a.err {
					t.Errorf("got %d %q %v, want what was answered, as it was", status, body, err)
				}
				if len(b.asked) != c.attempts {
					t.Errorf("%d attempts, want %d", len(b.asked), c.attempts)
				}
				if b.idle != 0 {
					t.Errorf("giving up closed idle connections")
				}
			})
		})
	}
}

func TestNoRetries(t *testing.T) {
	b := &base{answers: []answer{{status: 503}}}
	if status, _, err := ask(t, t.Context(), pace.Options{Base: b}, "GET"); status != 503 || err != nil || len(b.asked) != 1 {
		t.Errorf("got %d %v after %d attempts, want 503 after 1", status, err, len(b.asked))
	}
}

// waits returns the waits between attempts.
func (b *base) waits() []time.Duration {
	var w []time.Duration
	for i := 1; i < len(b.asked); i++ {
		w = append(w, b.asked[i].Sub(b.asked[i-1]))
	}
	return w
}

// TestWaitsGrowWithJitter looks at a server that is down: the first waits are
// so short that a fault of a moment costs one, and all of them are some two
// minutes, in which a server restarts.
func TestWaitsGrowWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		differ := false
		var last []time.Duration
		for range 5 {
			b := &base{answers: []answer{{status: 503}}}
			start := time.Now()
			ask(t, t.Context(), pace.Options{Base: b, Retries: 30}, "GET")
			if took := time.Since(start); took < 100*time.Second || took > 120*time.Second {
				t.Errorf("given up after %v, want some two minutes", took)
			}
			waits := b.waits()
			for i, longest := range []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 250 * time.Millisecond} {
				if w := waits[i]; w < longest*7/8 || w > longest {
					t.Errorf("wait %d is %v, want %v to %v", i+1, w, longest*7/8, longest)
				}
			}
			for i := 3; i < len(waits); i++ { // twice as long each time, up to 8 s
				least, most := min(waits[i-1]*5/4, 7*time.Second), min(waits[i-1]*5/2, 8*time.Second)
				if w := waits[i]; i > 3 && w < least || w > most {
					t.Errorf("wait %d is %v, want %v to %v", i+1, w, least, most)
				}
			}
			differ = differ || last != nil && fmt.Sprint(last) != fmt.Sprint(b.waits())
			last = b.waits()
		}
		if len(last) != pace.MaxDown || !differ {
			t.Errorf("%d waits, want %d; different each time: %v", len(last), pace.MaxDown, differ)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	for _, c := range []struct {
		name, header string
		status       int
		maxWait      time.Duration
		low, high    time.Duration
	}{
		{"seconds", "120", 429, 0, 120 * time.Second, 121 * time.Second},
		{"on 503", "7", 503, 0, 7 * time.Second, 8 * time.Second},
		{"date", "date", 429, 0, 90 * time.Second, 91 * time.Second},
		{"a date gone by", "Fri, 31 Dec 1999 23:59:59 GMT", 429, 0, 0, time.Second},
		{"none", "0", 429, 0, 0, time.Second},
		{"capped", "7200", 429, 0, 5 * time.Minute, 5 * time.Minute},
		{"capped lower", "60", 429, 10 * time.Second, 10 * time.Second, 10 * time.Second},
		{"more than a duration holds", "99999999999999999999", 429, 0, 5 * time.Minute, 5 * time.Minute},
		{"negative: not obeyed", "-5", 429, 0, 250 * time.Millisecond, 500 * time.Millisecond},
		{"nonsense: not obeyed", "soon", 429, 0, 250 * time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.header == "date" {
					c.header = time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
				}
				b := &base{answers: []answer{{status: c.status, header: "Retry-After: " + c.header}, {status: 200}}}
				ask(t, t.Context(), pace.Options{Base: b, Retries: 1, MaxWait: c.maxWait}, "GET")
				w := b.waits()
				if len(w) != 1 || w[0] < c.low || w[0] > c.high {
					t.Errorf("waits %v, want one of %v to %v", w, c.low, c.high)
				}
			})
		})
	}
}

func TestBudgetBoundsTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &base{answers: []answer{{status: 429, header: "Retry-After: 60"}}}
		start := time.Now()
		status, _, err := ask(t, t.Context(), pace.Options{Base: b, Retries: 1000, MaxElapsed: 150 * time.Second}, "GET")
		if status != 429 || err != nil {
			t.Errorf("got %d %v, want the 429", status, err)
		}
		if took := time.Since(start); len(b.asked) != 3 || took > 150*time.Second {
			t.Errorf("%d attempts in %v, want 3 within the budget", len(b.asked), took)
		}
	})
}

func TestAWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		b := &base{answers: []answer{{status: 503, header: "Retry-After: 100"}}}
		start := time.Now()
		_, _, err := ask(t, ctx, pace.Options{Base: b, Retries: 5}, "GET")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v, want the context's error when it ended", err, time.Since(start))
		}
		if len(b.asked) != 1 || b.idle != 0 {
			t.Errorf("%d attempts, idle connections closed %d times", len(b.asked), b.idle)
		}
	})
}

func TestACancelledRequestIsNotRepeated(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log bytes.Buffer
	attempts := 0
	b := transportFunc(func(*http.Request) (*http.Response, error) {
		attempts++
		cancel()
		return nil, errReset
	})
	o := pace.Options{Base: b, Retries: 3, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if _, _, err := ask(t, ctx, o, "GET"); err != error(errReset) || attempts != 1 || log.Len() > 0 {
		t.Errorf("got %v after %d attempts, logged %q", err, attempts, log.String())
	}
}

func TestBodiesAreBounded(t *testing.T) {
	for _, c := range []struct {
		body   string
		length int64 // told; -1 is not
		fits   bool
	}{
		{`"12345678"`, -1, true},
		{`"123456789"`, -1, false},
		{`"12345678"`, 10, true},
		{`"123456789"`, 11, false},
	} {
		attempts := 0
		sent := strings.NewReader(c.body)
		b := transportFunc(func(req *http.Request) (*http.Response, error) {
			attempts++
			return &http.Response{StatusCode: 200, Body: io.NopCloser(sent), ContentLength: c.length}, nil
		})
		_, body, err := ask(t, t.Context(), pace.Options{Base: b, Retries: 3, Validate: isJSON, MaxBody: 10}, "GET")
		if c.fits && (err != nil || body != c.body) || !c.fits && !errors.Is(err, pace.ErrTooLarge) || attempts != 1 {
			t.Errorf("%d bytes, told %d: got %q, %v after %d attempts", len(c.body), c.length, body, err, attempts)
		}
		if c.length > 10 && sent.Len() < len(c.body) {
			t.Errorf("a body told to have %d bytes was read", c.length)
		}
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestBodiesStreamWithoutValidate(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	b := transportFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: r, ContentLength: -1}, nil
	})
	req, _ := http.NewRequest("GET", "http://quay.test/", nil)
	resp, err := pace.New(pace.Options{Base: b, Retries: 1}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(w, "now") // what is not there yet cannot have been read
	got := make([]byte, 3)
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "now" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	b := &base{answers: []answer{{status: 302, header: "Location: http://elsewhere.test/"}}}
	if status, _, err := ask(t, t.Context(), pace.Options{Base: b, Retries: 1}, "GET"); status != 302 || err != nil || len(b.asked) != 1 {
		t.Errorf("got %d %v after %d requests, want the 302", status, err, len(b.asked))
	}
}

func TestObserveSeesEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		observe := func(e pace.Event) {
			got = append(got, fmt.Sprintf("%d: %s %d %s %v", e.Attempt, e.Request.URL.Path, e.Status, e.Proto, e.Err))
		}
		b := &base{answers: []answer{{status: 429}, {err: errReset}, {status: 200, body: "<"}, {status: 200, body: "{}"}}}
		ask(t, t.Context(), pace.Options{Base: b, Retries: 5, Validate: isJSON, Observe: observe}, "GET")
		want := "1: /api/v1/x 429 HTTP/2.0 <nil>\n" +
			"2: /api/v1/x 0  read tcp: connection reset by peer\n" +
			"3: /api/v1/x 200 HTTP/2.0 not JSON\n" +
			"4: /api/v1/x 200 HTTP/2.0 <nil>"
		if s := strings.Join(got, "\n"); s != want {
			t.Errorf("got\n%s\nwant\n%s", s, want)
		}
	})
}

func TestWaitsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := &base{answers: []answer{{status: 503, header: "Retry-After: 400"}, {err: errReset}, {status: 200}}}
		ask(t, t.Context(), pace.Options{Base: b, Retries: 5, Logger: slog.New(slog.NewTextHandler(&log, nil))}, "GET")
		for _, want := range []string{`level=WARN msg="waiting to try again" why="status 503" host=quay.test attempt=1 wait=5m0s`, `why="connection failed" host=quay.test attempt=2 wait=`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %q in\n%s", want, log.String())
			}
		}
	})
}

func TestCloseIdleConnections(t *testing.T) {
	b := &base{}
	pace.New(pace.Options{Base: b}).CloseIdleConnections()
	if b.idle != 0 {
		t.Errorf("passed on %d times: the base's connections are its owner's", b.idle)
	}
}

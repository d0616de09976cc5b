// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

func TestSleepEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := transport.Sleep(ctx, 300*time.Millisecond); err != nil || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		for _, d := range []time.Duration{time.Hour, 0, -1} {
			if err := transport.Sleep(ctx, d); !errors.Is(err, context.DeadlineExceeded) && d > 0 || time.Since(begin) > time.Second {
				t.Errorf("%v: got %v after %v", d, err, time.Since(begin))
			}
		}
		if err := transport.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no wait, and a context that has ended: got %v", err)
		}
	})
}

func TestResend(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://registry.example/", strings.NewReader("layer"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if body, err := io.ReadAll(req.Body); err != nil || string(body) != "layer" || req.ContentLength != 5 {
			t.Errorf("sent %q, %v, length %d", body, err, req.ContentLength)
		}
		if req, err = transport.Resend(req); err != nil {
			t.Fatal(err)
		}
	}
	req.GetBody = nil
	if _, err := transport.Resend(req); err == nil || transport.CanResend(req) {
		t.Error("a body that cannot be read again is sent again")
	}
	req.Body = http.NoBody
	if _, err := transport.Resend(req); err != nil || !transport.CanResend(req) {
		t.Errorf("no body: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://quay.io/v2/":       "https://quay.io:443",
		"HTTPS://Quay.IO:443/":      "https://quay.io:443",
		"http://quay.io/":           "http://quay.io:80",
		"https://quay.example:8443": "https://quay.example:8443",
		"http://[::1]:5000/v2/":     "http://[::1]:5000",
		"https://[::1]/v2/":         "https://[::1]:443",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := transport.Origin(u); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1e9", " 5 ", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := transport.RetryAfter(http.Header{"Retry-After": {s}}, now); d < 0 || !ok && d != 0 {
			t.Errorf("RetryAfter(%q) = %v, %v", s, d, ok)
		}
	})
}

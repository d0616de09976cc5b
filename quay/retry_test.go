// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/memnet"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// piped serves h over connections in memory, so that waits cost no time inside
// a synctest bubble, and returns a client of it with the usual retries.
func piped(t *testing.T, h http.Handler, opts ...quay.Option) *quay.Client {
	t.Helper()
	l := memnet.Listen()
	s := &http.Server{Handler: h}
	go s.Serve(l)
	tr := &http.Transport{DialContext: l.Dial, MaxIdleConnsPerHost: 10}
	t.Cleanup(func() { tr.CloseIdleConnections(); s.Close() })
	opts = append([]quay.Option{quay.WithServer("http://quay.test"), quay.WithTransport(tr)}, opts...)
	c, err := quay.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handler is an embedded Quay without a port.
func handler(t *testing.T, opts ...quaytest.Option) *quaytest.Handler {
	t.Helper()
	d, err := dataset()
	if err != nil {
		t.Fatal(err)
	}
	h, err := quaytest.NewHandler(d, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// TestRetriesHideWhatPasses lists an organization through every disturbance
// that repeating helps against.
func TestRetriesHideWhatPasses(t *testing.T) {
	for _, quirk := range [][2]string{
		{"outage", "3"}, {"outage", "3:429"}, {"outage", "3:502"}, {"outage", "3:504"}, {"outage", "20s:503"},
		{"html-502", "2"}, {"cut", "2"}, {"malformed", "2"},
	} {
		t.Run(quirk[0]+"="+quirk[1], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, handler(t, quaytest.WithQuirk(quirk[0], quirk[1])))
				got, err := drain(t, list(c, "harbourline"))
				if err != nil || len(got) < 250 {
					t.Errorf("%d repositories, %v", len(got), err)
				}
				if s := c.Stats(); s.Retries == 0 || s.Requests != s.Retries+3 || (quirk[1] == "3:429") != (s.RateLimited == 3) {
					t.Errorf("%+v, want three requests and retries", s)
				}
			})
		})
	}
}

func TestRetriesObeyRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := piped(t, handler(t, quaytest.WithQuirk("outage", "1:429"), quaytest.WithQuirk("retry-after", "120")),
			quay.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		start := time.Now()
		if _, err := drain(t, list(c, "alice")); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 2*time.Minute || took > 121*time.Second {
			t.Errorf("took %v, want 120 s and a little", took)
		}
		if !strings.Contains(log.String(), `level=INFO msg="waiting to try again"`) {
			t.Errorf("the wait is not logged:\n%s", log.String())
		}
	})
}

func TestRetriesRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, handler(t, quaytest.WithQuirk("outage", "1h:429")))
		start := time.Now()
		_, err := c.Tag(t.Context(), repo("harbourline/plain"), "2025.1")
		wantError(t, err, "rate limited", "429: Too Many Requests")
		// A server that refuses everything is asked for ten minutes, ever more seldom.
		if took := time.Since(start); took < 9*time.Minute || took > 10*time.Minute {
			t.Errorf("gave up after %v", took)
		}
		if s := c.Stats(); s.Requests < 20 || s.Requests > 60 || s.RateLimited != s.Requests {
			t.Errorf("%+v, want some forty requests, all refused", s)
		}
	})
}

func TestNoRetries(t *testing.T) {
	c := client(t, embedded(t, quaytest.WithQuirk("outage", "1:502")).URL(), quay.WithRetries(0))
	_, err := c.Tag(t.Context(), repo("harbourline/plain"), "2025.1")
	wantError(t, err, "unavailable", "502")
	if n := c.Stats().Requests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestCancellationEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, handler(t, quaytest.WithQuirk("outage", "1h:429"), quaytest.WithQuirk("retry-after", "300")))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		start := time.Now()
		_, err := drain(t, c.Repositories(ctx, quay.RepositoryQuery{Namespace: "alice"}))
		wantError(t, err, "deadline", "list repositories alice")
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want to end with the context", took)
		}
	})
}

// TestADeadlineNamesItsCause: the error of a deadline has the cause of the wait.
func TestADeadlineNamesItsCause(t *testing.T) {
	for outage, want := range map[string]string{
		"1h:503": "status 503", "1h:502": "status 502", "1h:500": "status 500", "1h:429": "status 429",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := piped(t, handler(t, quaytest.WithQuirk("outage", outage)))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			start := time.Now()
			_, err := c.Tag(ctx, repo("harbourline/plain"), "2025.1")
			if outage == "1h:429" {
				wantError(t, err, "deadline", "quay: look up tag harbourline/plain:2025.1", want)
			} else {
				wantError(t, err, "unavailable and deadline", want)
			}
			if took := time.Since(start); took != 30*time.Second {
				t.Errorf("%s: took %v", outage, took)
			}
		})
	}
}

// TestAServerWhoseDatabaseRestarts answers 500 with a page meanwhile, also to a
// caller with a token.
func TestAServerWhoseDatabaseRestarts(t *testing.T) {
	for _, token := range []string{"", ownerToken} {
		synctest.Test(t, func(t *testing.T) {
			c := piped(t, handler(t, quaytest.WithQuirk("outage", "10s:500")), quay.WithToken(token))
			start := time.Now()
			got, err := drain(t, list(c, "harbourline"))
			if err != nil || len(got) < 250 {
				t.Errorf("%d repositories, %v", len(got), err)
			}
			if took := time.Since(start); took > 25*time.Second {
				t.Errorf("took %v", took)
			}
		})
		synctest.Test(t, func(t *testing.T) { // without a listing
			c := piped(t, handler(t, quaytest.WithQuirk("outage", "10s:500")), quay.WithToken(token))
			if _, err := c.Tag(t.Context(), repo("harbourline/plain"), "2025.1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAStalledAnswerIsRepeated: the attempt's time runs out, not the call's.
func TestAStalledAnswerIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := piped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n++; n < 3 {
				fmt.Fprint(w, `{"tags": [`)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			fmt.Fprint(w, tagList(false, "v1"))
		}), quay.WithTimeout(10*time.Second))
		start := time.Now()
		if has, err := c.HasTag(t.Context(), repo("org/r"), "v1"); !has || err != nil {
			t.Errorf("%v, %v", has, err)
		}
		if took := time.Since(start); took < 20*time.Second || took > 22*time.Second {
			t.Errorf("took %v, want two attempts of 10 s and their waits", took)
		}
	})
}

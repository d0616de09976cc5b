// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/memnet"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// TestOutagesLeaveNothingUnknown: a server goes away in mid discovery, with and
// without a token. All is known in the end, soon after it is back.
func TestOutagesLeaveNothingUnknown(t *testing.T) {
	const repositories, late = 300, 15 * time.Second
	dns := &net.DNSError{Err: "no such host", Name: "quay.test", IsNotFound: true}
	for name, c := range map[string]struct {
		lasts time.Duration
		away  error // nil: the database restarts
	}{
		"database restarts":  {10 * time.Second, nil},
		"connection refused": {20 * time.Second, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}},
		"DNS gone":           {20 * time.Second, &net.OpError{Op: "dial", Net: "tcp", Err: dns}},
	} {
		for _, token := range []string{"", "abc"} {
			t.Run(name+" "+token, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opts := []quaytest.Option{quaytest.WithLatency(30 * time.Millisecond)}
					if c.away == nil {
						opts = append(opts, quaytest.WithQuirk("database-restarts", c.lasts.String()+":100"))
					}
					data := quaytest.Fleet(repositories, quaytest.FleetOptions{Private: 150})
					data.Organizations[0].Owners = []string{"owner"}
					data.Users = append(data.Users, quaytest.User{Name: "owner", Enabled: true})
					data.Tokens = append(data.Tokens, quaytest.Token{Name: "abc", User: "owner", Scope: "repo:read"})
					h, err := quaytest.NewHandler(data, opts...)
					if err != nil {
						t.Fatal(err)
					}
					defer h.Close()
					line := memnet.Listen()
					asked := 0
					var mu sync.Mutex
					server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						mu.Lock()
						asked++
						last := asked == 100 && c.away != nil
						mu.Unlock()
						if last {
							line.Cut(c.away)
							time.AfterFunc(c.lasts, func() { line.Cut(nil) })
						}
						h.ServeHTTP(w, r)
					})}
					go func() { _ = server.Serve(line) }()
					base := &http.Transport{DialContext: line.Dial, MaxIdleConnsPerHost: 10}
					defer func() { base.CloseIdleConnections(); line.Cut(nil); _ = server.Close() }()
					client, err := quay.New(quay.WithServer("http://quay.test"), quay.WithToken(token), quay.WithTransport(base))
					if err != nil {
						t.Fatal(err)
					}
					want := repositories
					if token == "" {
						want -= 150
					}
					begin := time.Now()
					_, sum, err := discover.Collect(t.Context(), client, pattern(t, "fleet/*:2025.1"), discover.Options{})
					if took := time.Since(begin); err != nil || sum.Unknown > 0 || sum.Present != want || !sum.Complete || took < c.lasts || took > c.lasts+late {
						t.Errorf("after %v: %v, %d present, %d unknown of %d: %v", took, err, sum.Present, sum.Unknown, want, sum.Unknowns)
					}
				})
			})
		}
	}
}

// If no answer shows whether the namespace exists, the run cannot explain an empty listing.
func TestNamespaceThatCannotBeAsked(t *testing.T) {
	for token, path := range map[string]string{"": "/api/v1/organization/*", owner: "/api/v1/repository"} {
		opt := quaytest.WithQuirk("html-500", path)
		if token != "" {
			opt = quaytest.WithQuirk("html-500", "2:"+path) // the second listing is the question about the token
		}
		_, client := serve(t, recorded(t), token, opt)
		_, sum, err := discover.Collect(t.Context(), client, pattern(t, "emptyharbour/*:1"), discover.Options{})
		if !errors.Is(err, quay.ErrUnavailable) || sum.Complete {
			t.Errorf("%q: error %v, summary %+v", token, err, sum)
		}
	}
}

// The last question to a namespace that shows nothing ends with the context, and its
// error is no error of the run.
func TestInterruptedAtTheLastQuestion(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	last := func(answer func() error) *quay.Client {
		f := &fake{rows: rows(nil)}
		f.lookUp = func(context.Context, string, string) (tag, bool, error) { return tag{}, false, answer() }
		return f.client(t, quay.WithToken("someone's"))
	}
	interrupted := last(func() error { cancel(); return ctx.Err() })
	if _, sum, err := discover.Collect(ctx, interrupted, pattern(t, "harbour/*:1"), discover.Options{}); !errors.Is(err, context.Canceled) || sum.Complete {
		t.Errorf("error %v, summary %+v", err, sum)
	}
	refused := last(func() error { return quay.ErrUnavailable })
	if _, sum, err := discover.Collect(t.Context(), refused, pattern(t, "harbour/*:1"), discover.Options{}); err != nil || !sum.Complete {
		t.Errorf("error %v, summary %+v", err, sum)
	}
}

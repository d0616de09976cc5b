// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errNoName  = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "registry.example", IsNotFound: true}}
)

// between is a server that cannot be reached for a time.
func between(err error, from, to time.Duration) func(time.Duration) error {
	return func(since time.Duration) error {
		if since >= from && since < to {
			return err
		}
		return nil
	}
}

// page500 is a Quay whose database is away for a time.
func page500(from, to time.Duration) func(*model, *http.Request, time.Duration) (int, http.Header) {
	return func(_ *model, _ *http.Request, since time.Duration) (int, http.Header) {
		if since >= from && since < to {
			return 500, http.Header{"Content-Type": {"text/html"}}
		}
		return 0, nil
	}
}

// withToken sends every request with a token.
type withToken struct{ http.RoundTripper }

func (w withToken) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer token")
	return w.RoundTripper.RoundTrip(req)
}

// TestOutagesAreRiddenOut: a server goes away in mid discovery, and comes back.
// Nothing is lost, it is asked once in a while, and it is noticed soon that it
// is back.
func TestOutagesAreRiddenOut(t *testing.T) {
	const from, late = 100 * millisecond, 15 * time.Second
	for name, c := range map[string]struct {
		lasts  time.Duration
		gone   error
		status func(from, to time.Duration) func(*model, *http.Request, time.Duration) (int, http.Header)
	}{
		"database restarts":  {10 * time.Second, nil, page500},
		"connection refused": {20 * time.Second, errRefused, nil},
		"connection reset":   {20 * time.Second, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, nil},
		"EOF":                {60 * time.Second, io.EOF, nil},
		"no name":            {20 * time.Second, errNoName, nil},
		"refused, longer":    {90 * time.Second, errRefused, nil},
		"database, longer":   {90 * time.Second, nil, page500},
		"silent":             {40 * time.Second, errNoAnswer, nil},
	} {
		for _, http1 := range []bool{true, false} {
			for _, token := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, HTTP/1.1 %v, token %v", name, http1, token), func(t *testing.T) {
					s := settings{latency: 20 * millisecond, http1: http1}
					until := from + c.lasts
					if c.gone != nil {
						s.gone = between(c.gone, from, until)
					} else {
						s.answer = c.status(from, until)
					}
					in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
						var asked atomic.Int64
						rt.o.Observe = func(Event) {
							if since := time.Since(m.began); since > from+time.Second && since < until {
								asked.Add(1)
							}
						}
						var base http.RoundTripper = rt
						if token {
							base = withToken{rt}
						}
						wall, missing := discovery{repositories: 300}.run(t, base)
						if c.gone == errNoAnswer {
							until += 65 * time.Second // until the bound on an answer's header
						}
						t.Logf("%v, asked %d times meanwhile, %d requests", wall, asked.Load(), m.requests)
						if missing > 0 || wall > until+late {
							t.Errorf("%d missing after %v, want none, %v late at most", missing, wall, late)
						}
						if n := asked.Load(); c.gone != errNoAnswer && n > 30 {
							t.Errorf("asked %d times in the outage, want one at a time", n)
						}
					})
				})
			}
		}
	}
}

// TestADeadHostHasOneBudget: all that wait for a host that is gone for good end
// together, and what comes later ends at once. When it is back, that is found.
func TestADeadHostHasOneBudget(t *testing.T) {
	for name, gone := range map[string]error{"refused": errRefused, "silent": errNoAnswer} {
		for _, n := range []int{6, 30, 600} {
			t.Run(fmt.Sprint(name, ", ", n), func(t *testing.T) {
				s := settings{latency: 20 * millisecond, http1: true, gone: between(gone, 2*time.Second, time.Hour)}
				in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
					together(n, func(int) { must(t, rt, blob) })
					time.Sleep(time.Until(m.began.Add(2 * time.Second)))
					end := func(int) {
						for range 3 { // one after another, as the blobs of an image are
							if _, _, err := send(t.Context(), rt, blob); !isOutage(err) && err == nil {
								t.Errorf("got %v", err)
							}
						}
					}
					together(n, end)
					if took := time.Since(m.began); took < patience/2 || took > patience+5*time.Second {
						t.Errorf("ended after %v, want two minutes", took)
					}
					if s := rt.Stats()[0]; s.Outage < patience/2 || s.Trouble == "" {
						t.Errorf("the outage does not show: %+v", s)
					}
					begin, requests := time.Now(), m.requests
					_, _, err := send(t.Context(), rt, blob)
					var outage *OutageError
					if !errors.As(err, &outage) || outage.Last == nil || time.Since(begin) > time.Second || m.requests > requests {
						t.Errorf("got %v after %v, want the outage at once", err, time.Since(begin))
					}
					m.gone = nil
					time.Sleep(retrial + time.Second)
					together(n, func(int) { must(t, rt, blob) })
					if s := rt.Stats()[0]; s.Outage != 0 || s.Trouble != "" {
						t.Errorf("the outage is not over: %+v", s)
					}
				})
			})
		}
	}
}

// TestAHostThatNeverAnswered fails soon.
func TestAHostThatNeverAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		gone error
		most time.Duration
	}{
		"refused": {errRefused, firstPatience},
		"no name": {errNoName, 2 * time.Second},
		"silent":  {errNoAnswer, 66 * time.Second},
	} {
		for _, http1 := range []bool{true, false} {
			s := settings{latency: 20 * millisecond, http1: http1, gone: between(c.gone, 0, time.Hour)}
			in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
				together(30, func(int) {
					if _, _, err := send(t.Context(), rt, list); err == nil {
						t.Error("got an answer")
					}
				})
				if took := time.Since(m.began); took > c.most {
					t.Errorf("%s, HTTP/1.1 %v: failed after %v, want %v", name, http1, took, c.most)
				}
			})
		}
	}
}

// TestATokenThatIsToBlame: each tag request with it is answered 500, and the
// listing works. That is no outage, and costs no time.
func TestATokenThatIsToBlame(t *testing.T) {
	s := settings{latency: 20 * millisecond, answer: func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
		switch token := req.Header.Get("Authorization") != ""; {
		case token && !kindOf(req).listing:
			return 500, http.Header{"Content-Type": {"text/html; charset=utf-8"}}
		case !token:
			return 401, nil
		}
		return 0, nil
	}}
	in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
		anonymous := 0
		rt.o.Observe = func(e Event) {
			if e.Request.Header.Get("Authorization") == "" {
				anonymous++
			}
		}
		together(300, func(int) {
			if status, body, err := send(t.Context(), rt, check, "Authorization", "Bearer x"); status != 500 || body != "{}" || err != nil {
				t.Errorf("got %d %q %v, want the answer to the token", status, body, err)
			}
		})
		if status, _, err := send(t.Context(), rt, list, "Authorization", "Bearer x"); status != 200 || err != nil {
			t.Errorf("listing: %d, %v", status, err)
		}
		if took := time.Since(m.began); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if anonymous == 0 || m.requests > 301+2*anonymous || anonymous > 150 {
			t.Errorf("%d requests, %d without the token", m.requests, anonymous)
		}
	})
}

// TestSwitchingProtocols: an answer that leaves HTTP is an error at once, and
// its connection is closed.
func TestSwitchingProtocols(t *testing.T) {
	const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
	for method, answer := range map[string]string{
		"GET": switched, "HEAD": switched, "POST": switched, "PUT": switched,
		"PATCH": "HTTP/1.1 199 Odd\r\n\r\n", "DELETE": strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20),
	} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			go func() {
				_, _ = there.Read(make([]byte, 4096))
				_, _ = io.WriteString(there, answer)
				_, _ = io.Copy(io.Discard, there) // silent, until it is closed
				_ = there.Close()
			}()
			base := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil }}
			req, err := http.NewRequestWithContext(t.Context(), method, "http://registry.example/v2/", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			resp, err := New(Options{Base: base, Retries: 25}).RoundTrip(req)
			if !errors.Is(err, ErrSwitched) || time.Since(begin) > time.Second {
				t.Errorf("%s: got %v, %v after %v", method, resp, err, time.Since(begin))
			}
			synctest.Wait()
			if _, err := here.Write(nil); err == nil {
				t.Errorf("%s: the connection is still open", method)
			}
		})
	}
}

// TestADeadlineNamesItsCause: a wait that a deadline ends says what was waited
// for.
func TestADeadlineNamesItsCause(t *testing.T) {
	for name, c := range map[string]struct {
		s    settings
		want string
	}{
		"503":     {settings{answer: until(time.Hour, 503, "")}, "status 503"},
		"429":     {settings{answer: until(time.Hour, 429, "")}, "status 429"},
		"500":     {settings{answer: page500(0, time.Hour)}, "status 500"},
		"refused": {settings{gone: between(errRefused, time.Second, time.Hour)}, "connection refused"},
	} {
		in(t, c.s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
			if name == "refused" {
				must(t, rt, check)
				time.Sleep(2 * time.Second)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			together(20, func(int) {
				_, _, err := send(ctx, rt, check)
				var ended *EndedError
				if !errors.As(err, &ended) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v", name, err)
				}
			})
		})
	}
}

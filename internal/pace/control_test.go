// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// broken reports whether a request is for one of the first n repositories.
func broken(n int, path string) bool {
	for i := range n {
		if strings.Contains(path, fmt.Sprintf("image-%06d/", i)) {
			return true
		}
	}
	return false
}

// troubled returns a server's answer to a request that it cannot do.
func troubled(status int) (int, http.Header) {
	h := http.Header{}
	if status == 500 || status == 404 {
		h.Set("Content-Type", "text/html")
	}
	return status, h
}

// checkAll looks up repositories together, and returns how long it took and the
// answers that are not 200, by path.
func checkAll(t *testing.T, rt http.RoundTripper, m *model, n int) (time.Duration, map[string]int) {
	t.Helper()
	var mu sync.Mutex
	odd := map[string]int{}
	together(n, func(i int) {
		path := fmt.Sprintf("/api/v1/repository/fleet/image-%06d/tag/?specificTag=x", i)
		status, _, err := send(t.Context(), rt, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if status != 200 {
			mu.Lock()
			odd[path] = status
			mu.Unlock()
		}
	})
	return time.Since(m.began), odd
}

// TestARequestWithTroubleOfItsOwn: a server fails for a few repositories, and
// answers for all others. Those few end soon, with the server's answer.
func TestARequestWithTroubleOfItsOwn(t *testing.T) {
	for _, status := range []int{404, 500, 502, 503} {
		for _, n := range []struct{ all, broken int }{{3, 1}, {300, 1}, {300, 40}} {
			for _, token := range []bool{true, false} {
				t.Run(fmt.Sprintf("%d, %d of %d, token %v", status, n.broken, n.all, token), func(t *testing.T) {
					s := settings{latency: 20 * millisecond, answer: func(_ *model, req *http.Request, _ time.Duration) (int, http.Header) {
						if broken(n.broken, req.URL.Path) {
							return troubled(status)
						}
						return 0, nil
					}}
					in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
						var base http.RoundTripper = rt
						if token {
							base = withToken{rt}
						}
						took, odd := checkAll(t, base, m, n.all)
						t.Logf("%v, %d requests", took, m.requests)
						if len(odd) != n.broken {
							t.Errorf("%d answers that are not 200, want %d", len(odd), n.broken)
						}
						for path, got := range odd {
							if got != status || !broken(n.broken, path) {
								t.Errorf("%s: %d", path, got)
							}
						}
						if took > time.Minute {
							t.Errorf("took %v", took)
						}
					})
				})
			}
		}
	}
}

// TestARequestThatAloneIsNotAnswered ends when its host has answered others for
// as long as an outage would have had.
func TestARequestThatAloneIsNotAnswered(t *testing.T) {
	s := settings{latency: 20 * millisecond, silent: func(req *http.Request) bool { return broken(1, req.URL.Path) }}
	in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
		must(t, rt, check) // or the silent request might be the first of all, and the host one that never answered
		together(300, func(i int) {
			path := fmt.Sprintf("/api/v1/repository/fleet/image-%06d/tag/?specificTag=x", i)
			if _, _, err := send(t.Context(), rt, path); (err != nil) != (i == 0) {
				t.Errorf("%s: %v", path, err)
			}
		})
		if took := time.Since(m.began); took > 150*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestOutagesThatLookLikeTroubleOfOneRequest: what only a part of the requests
// meets, or comes and goes, or begins when few are left, is ridden out.
func TestOutagesThatLookLikeTroubleOfOneRequest(t *testing.T) {
	seed := maphash.MakeSeed()
	worker := func(path string, n uint64) bool { return maphash.String(seed, path)%n == 0 }
	for name, down := range map[string]func(m *model, path string, since time.Duration) bool{
		"begins with the last request": func(_ *model, path string, since time.Duration) bool {
			return since > time.Second && since < 60*time.Second
		},
		"flaps each second": func(_ *model, _ string, since time.Duration) bool {
			return since < 60*time.Second && int(since/time.Second)%2 == 0 && since > 100*millisecond
		},
		"flaps quickly": func(_ *model, _ string, since time.Duration) bool {
			return since < 60*time.Second && int(since/(100*millisecond))%2 == 1
		},
		"one worker of four, at random": func(m *model, _ string, since time.Duration) bool {
			return since > 100*millisecond && since < 60*time.Second && m.rng.IntN(4) == 0
		},
		"one worker of four, by address": func(_ *model, path string, since time.Duration) bool {
			return since > 50*millisecond && since < 15*time.Second && worker(path, 4)
		},
		"one worker after another, by address": func(_ *model, path string, since time.Duration) bool {
			return since > 50*millisecond && since < 40*time.Second &&
				maphash.String(seed, path)%4 == uint64(since/(10*time.Second))
		},
	} {
		for _, status := range []int{404, 500, 503} {
			t.Run(fmt.Sprint(name, ", ", status), func(t *testing.T) {
				s := settings{latency: 20 * millisecond, answer: func(m *model, req *http.Request, since time.Duration) (int, http.Header) {
					if down(m, req.URL.Path, since) {
						return troubled(status)
					}
					return 0, nil
				}}
				in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
					if strings.HasPrefix(name, "begins") {
						together(100, func(int) { must(t, rt, check) })
						time.Sleep(time.Until(m.began.Add(time.Second + millisecond)))
						_, odd := checkAll(t, rt, m, 2)
						if len(odd) > 0 {
							t.Errorf("got %v", odd)
						}
						return
					}
					wall, missing := discovery{repositories: 300}.run(t, rt)
					t.Logf("%v, %d requests", wall, m.requests)
					if missing > 0 || wall > 80*time.Second {
						t.Errorf("%d missing after %v", missing, wall)
					}
				})
			})
		}
	}
}

// TestA404PageOfAServerThatIsNoQuay: a server that answers 404 with a page from the
// first request on is no Quay. It is not asked twice.
func TestA404PageOfAServerThatIsNoQuay(t *testing.T) {
	s := settings{latency: 20 * millisecond, answer: func(*model, *http.Request, time.Duration) (int, http.Header) { return troubled(404) }}
	in(t, s, Options{Retries: 25}, func(t *testing.T, m *model, rt *Transport) {
		for _, path := range []string{list, check} {
			if status, _, err := send(t.Context(), rt, path); status != 404 || err != nil {
				t.Errorf("%s: %d, %v", path, status, err)
			}
		}
		if m.requests != 2 {
			t.Errorf("asked %d times", m.requests)
		}
	})
}

// TestAnAnswerThatTrickles: bodies that are read and checked before they are
// passed on have one budget together, as those of blobs do.
func TestAnAnswerThatTrickles(t *testing.T) {
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprint("all ", all), func(t *testing.T) {
			s := settings{latency: 20 * millisecond}
			s.trickles = func(req *http.Request, since time.Duration) bool {
				return all && since > time.Second || !all && broken(1, req.URL.Path)
			}
			o := Options{Retries: 25, Timeout: 90 * time.Second, Validate: func(*http.Request, *http.Response, []byte) error { return nil }}
			in(t, s, o, func(t *testing.T, m *model, rt *Transport) {
				if all {
					must(t, rt, check)
					time.Sleep(2 * time.Second)
				}
				together(30, func(i int) {
					path := fmt.Sprintf("/api/v1/repository/fleet/image-%06d/tag/?specificTag=x", i)
					if _, _, err := send(t.Context(), rt, path); (err != nil) != (all || i == 0) {
						t.Errorf("%s: %v", path, err)
					}
				})
				if took := time.Since(m.began); took > 150*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A trickle is a body of a byte a second.
type trickle struct {
	ctx  interface{ Done() <-chan struct{} }
	err  func() error
	left int
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-r.ctx.Done():
		return 0, r.err()
	case <-time.After(time.Second):
	}
	r.left--
	return copy(p, " "), nil
}

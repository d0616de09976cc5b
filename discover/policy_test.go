// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// The answers about a repository that the caller may not read (doc/quay-api.md section 3): 401
// without a token, 403 with one.
const (
	refused401 = `{"detail": "Requires authentication", "error_type": "invalid_token", "status": 401}`
	refused403 = `{"detail": "Unauthorized", "error_type": "insufficient_scope", "status": 403}`
)

// A gate stands before an embedded Quay and refuses some of its tag queries.
// It counts those it sees.
type gate struct {
	quay   *quaytest.Handler
	refuse func(repo string, token bool) bool

	anonymous, token atomic.Int64
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isTag := strings.CutSuffix(r.URL.Path, "/tag/")
	token := r.Header.Get("Authorization") != ""
	if !isTag {
		g.quay.ServeHTTP(w, r)
		return
	}
	count, status, body := &g.anonymous, http.StatusUnauthorized, refused401
	if token {
		count, status, body = &g.token, http.StatusForbidden, refused403
	}
	count.Add(1)
	if !g.refuse(path[strings.LastIndexByte(path, '/')+1:], token) {
		g.quay.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintln(w, body)
}

// guarded returns a client, with an owner's token, of 100 public repositories
// behind a gate.
func guarded(t *testing.T, refuse func(repo string, token bool) bool) (*gate, *quay.Client) {
	t.Helper()
	d := quaytest.Fleet(100, quaytest.FleetOptions{Namespace: "fleet", Tag: "target"})
	d.Users = append(d.Users, quaytest.User{Name: "someone", Enabled: true})
	d.Tokens = append(d.Tokens, quaytest.Token{Name: "demo-token", User: "someone", Scope: "repo:read"})
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{quay: h, refuse: refuse}
	s := httptest.NewServer(g)
	t.Cleanup(func() { s.Close(); h.Close() })
	c, err := quay.New(quay.WithServer(s.URL), quay.WithToken("demo-token"), quay.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return g, c
}

func before(repo string, n int) bool { return repo < fmt.Sprintf("image-%06d", n) }

func TestWhatA401Teaches(t *testing.T) {
	for _, c := range []struct {
		name             string
		refuse           func(repo string, token bool) bool
		anonymous, token int64
		unknown          int
	}{
		{"nothing is refused",
			func(string, bool) bool { return false }, 100, 0, 0},
		{"a front end lets no anonymous caller through: two prove it",
			func(_ string, token bool) bool { return !token }, 2, 100, 0},
		{"the first has become private: it alone needs the token",
			func(repo string, token bool) bool { return !token && before(repo, 1) }, 100, 1, 0},
		{"thirty have become private, and others were read before: each needs the token",
			func(repo string, token bool) bool { return !token && !before(repo, 70) }, 100, 30, 0},
		{"a few are gone",
			func(repo string, _ bool) bool { return !before(repo, 95) }, 100, 5, 5},
		{"many are gone, after others were read: the token is no help, and is spared",
			func(repo string, _ bool) bool { return !before(repo, 40) }, 100, 16, 60},
		{"many are gone at first: who knows what the server wants",
			func(repo string, _ bool) bool { return before(repo, 40) }, 100, 40, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, client := guarded(t, c.refuse)
			_, sum, err := discover.Collect(t.Context(), client, pattern(t, "fleet/*:target"), discover.Options{Jobs: 1})
			if err != nil || sum.Checked != 100 || sum.Unknown != c.unknown {
				t.Fatalf("error %v, summary %+v", err, sum)
			}
			if g.anonymous.Load() != c.anonymous || g.token.Load() != c.token {
				t.Errorf("%d requests without and %d with the token, want %d and %d",
					g.anonymous.Load(), g.token.Load(), c.anonymous, c.token)
			}
		})
	}
}

// A Finder remembers in the next run what it learned.
func TestFinderRemembers(t *testing.T) {
	g, client := guarded(t, func(_ string, token bool) bool { return !token })
	finder := discover.NewFinder(client)
	for range 3 {
		run := finder.Resolve(t.Context(), pattern(t, "fleet/*:target"), discover.Options{Jobs: 1})
		for range run.Results() {
		}
		if sum, err := run.Summary(), run.Err(); err != nil || sum.Present != 100 {
			t.Fatalf("error %v, summary %+v", err, sum)
		}
	}
	if g.anonymous.Load() != 2 || g.token.Load() != 300 {
		t.Errorf("%d requests without and %d with the token", g.anonymous.Load(), g.token.Load())
	}
}

func TestTagListIsAskedAgainWithTheToken(t *testing.T) {
	g, client := guarded(t, func(_ string, token bool) bool { return !token })
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "fleet/*:target*"), discover.Options{Jobs: 1})
	if err != nil || sum.Present != 100 {
		t.Fatalf("error %v, summary %+v", err, sum)
	}
	if g.anonymous.Load() != 2 || g.token.Load() != 100 {
		t.Errorf("%d requests without and %d with the token", g.anonymous.Load(), g.token.Load())
	}
}

// The first request goes alone until it has an answer, not until its list is
// read to the end: a caller may ask while it reads.
func TestTagListsCanBeNested(t *testing.T) {
	only := quay.TagQuery{Contains: "target"}
	for _, wantsToken := range []bool{false, true} {
		_, client := guarded(t, func(_ string, token bool) bool { return wantsToken && !token })
		finder := discover.NewFinder(client)
		n := 0
		for _, err := range finder.Tags(t.Context(), fleet("image-000001"), only) {
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range finder.Tags(t.Context(), fleet("image-000002"), only) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d tags", n)
		}
	}
}

// A wait for the answer to the first request ends with its context.
func TestWaitingEndsWithTheContext(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	arrive := sync.OnceFunc(func() { close(arrived) })
	_, client := guarded(t, func(string, bool) bool {
		arrive()
		<-leave
		return true
	})
	finder, first := discover.NewFinder(client), make(chan error)
	go func() {
		_, err := finder.Tag(t.Context(), fleet("image-000001"), "target")
		first <- err
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := finder.Tag(ctx, fleet("image-000002"), "target"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(leave)
	if err := <-first; !errors.Is(err, quay.ErrForbidden) && !errors.Is(err, quay.ErrUnauthenticated) {
		t.Errorf("the first: %v", err)
	}
}

func fleet(name string) quay.RepoName { return quay.RepoName{Namespace: "fleet", Name: name} }

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// What most tests ask is an embedded Quay that holds what the recorded server
// held, at the time of the recordings.
var dataset = sync.OnceValues(func() (*quaytest.Dataset, error) {
	f, err := os.Open("testdata/recordings/dataset.json")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return quaytest.ReadDataset(f)
})

const recordedAt = 1795446137

func embedded(t testing.TB, opts ...quaytest.Option) *quaytest.Server {
	t.Helper()
	d, err := dataset()
	if err != nil {
		t.Fatal(err)
	}
	opts = append(opts, quaytest.WithClock(func() time.Time { return time.Unix(recordedAt, 0) }))
	s, err := quaytest.NewServer(d, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Tokens of the dataset, whose names are their secrets.
const (
	ownerToken    = "${alice-repo-read}" // owns every organization
	outsiderToken = "${bob-repo-read}"
	unknownToken  = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)

// client returns a client of the server at url. By default the client repeats no request.
func client(t testing.TB, url string, opts ...quay.Option) *quay.Client {
	t.Helper()
	c, err := quay.New(append([]quay.Option{quay.WithServer(url), quay.WithRetries(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// canned starts a server with the handler h, for answers that the embedded Quay never
// sends. Each use says where the answer comes from.
func canned(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// say returns a handler that answers with a status, a content type and a body.
func say(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// transport is an http.RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func list(c *quay.Client, namespace string) iter.Seq2[quay.Repository, error] {
	return c.Repositories(context.Background(), quay.RepositoryQuery{Namespace: namespace})
}

// drain returns what a sequence yields before its error, and the error. It
// fails the test when the sequence goes on after the error, or yields a value with it.
func drain[T any](t testing.TB, seq iter.Seq2[T, error]) ([]T, error) {
	t.Helper()
	var all []T
	var failed error
	for v, err := range seq {
		if failed != nil {
			t.Fatalf("yields %+v, %v after its error %v", v, err, failed)
		}
		if err != nil {
			var zero T
			if fmt.Sprintf("%#v", v) != fmt.Sprintf("%#v", zero) {
				t.Errorf("yields %+v with the error %v", v, err)
			}
			failed = err
			continue
		}
		all = append(all, v)
	}
	return all, failed
}

func repo(s string) quay.RepoName {
	r, err := quay.ParseRepoName(s)
	if err != nil {
		panic(err)
	}
	return r
}

var kinds = []struct {
	err  error
	name string
}{
	{quay.ErrTagNotFound, "tag not found"}, {quay.ErrNotFound, "not found"},
	{quay.ErrUnauthenticated, "unauthenticated"}, {quay.ErrForbidden, "forbidden"},
	{quay.ErrRateLimited, "rate limited"}, {quay.ErrUnavailable, "unavailable"},
	{quay.ErrMalformed, "malformed"}, {quay.ErrInvalid, "invalid"}, {quay.ErrNoListing, "no listing"},
	{context.Canceled, "canceled"}, {context.DeadlineExceeded, "deadline"},
}

// kind returns the names of all kinds that an error has. An error should have one.
func kind(err error) string {
	var names []string
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			names = append(names, k.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " and ")
}

// wantError fails the test unless err is a *quay.Error of one kind whose text
// has all the words.
func wantError(t testing.TB, err error, want string, words ...string) *quay.Error {
	t.Helper()
	e, ok := errors.AsType[*quay.Error](err)
	if !ok {
		t.Fatalf("error is %T %v, want a *quay.Error", err, err)
	}
	if kind(err) != want {
		t.Errorf("error is of kind %q, want %q: %v", kind(err), want, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error does not say %q: %v", w, err)
		}
	}
	return e
}

// A recording is a scenario of testdata/recordings.
type recording struct {
	Exchanges []struct {
		Request struct {
			Target  string
			Headers map[string]string
		}
		Response struct {
			Status  int
			Headers map[string]string
			Body    string
			Omitted string `json:"body_omitted"`
		}
	}
}

// replay starts a server that sends the recorded answers of a scenario to the
// very same requests: path, query as it is, token. It fails the test for any other.
func replay(t *testing.T, scenario string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/recordings/" + scenario + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var rec recording
	if err := json.Unmarshal(data, &rec); err != nil {
		t.Fatal(err)
	}
	return canned(t, func(w http.ResponseWriter, r *http.Request) {
		for _, x := range rec.Exchanges {
			if x.Request.Target != r.RequestURI || x.Request.Headers["Authorization"] != r.Header.Get("Authorization") {
				continue
			}
			for _, h := range []string{"content-type", "location"} {
				if v := x.Response.Headers[h]; v != "" {
					w.Header().Set(h, v)
				}
			}
			w.WriteHeader(x.Response.Status)
			body := x.Response.Body
			if x.Response.Omitted != "" {
				body = "<!DOCTYPE html><html><head><title>Quay</title></head></html>"
			}
			fmt.Fprint(w, body)
			return
		}
		t.Errorf("%s has no request %s with Authorization %q", scenario, r.RequestURI, r.Header.Get("Authorization"))
	})
}

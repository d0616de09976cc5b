// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

// newFront starts a registry behind a server that answers some requests itself.
func newFront(t *testing.T, who registry.Credentials, answers func(w http.ResponseWriter, r *http.Request) bool) *port {
	t.Helper()
	server := registrytest.Start(t)
	to, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		r.Out.Header.Del("Authorization")
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answers(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	w := &wire{base: &http.Transport{}}
	t.Cleanup(w.base.CloseIdleConnections)
	r, err := registry.New(strings.TrimPrefix(front.URL, "http://"), registry.Options{PlainHTTP: true, Transport: w, Credentials: who})
	if err != nil {
		t.Fatal(err)
	}
	return &port{r, w, server, filepath.Join(t.TempDir(), "records", "port.json")}
}

// A registry may claim to have a blob that it has lost, and then refuse the manifest:
// with BLOB_UNKNOWN or MANIFEST_BLOB_UNKNOWN (distribution specification, "Error Codes"),
// or as a Quay with MANIFEST_INVALID and the blob in the text (doc/quay-api.md,
// "Pushing"). The blob is sent again.
func TestPushSendsWhatARegistryHasLost(t *testing.T) {
	for name, refusal := range map[string]string{
		"as the registry says it": "",
		"named by nothing":        `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`,
		"as a Quay says it":       `{"errors":[{"code":"MANIFEST_INVALID","detail":{"message":"blob %s not found"},"message":"manifest invalid"}]}`,
		"one after another":       `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":"%s"}]}`,
	} {
		s := newSite(t, smallRelease(4)) // an index and attached manifests among them
		sizes := map[string]int64{}
		for _, one := range s.data.Manifests {
			m, err := manifest.Parse(one.MediaType, []byte(one.Content))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range m.Blobs() {
				sizes[d.Digest.String()] = d.Size
			}
		}
		var mu sync.Mutex
		sent := map[string]int{} // by repository and digest
		p := newFront(t, nil, func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			repository, blob, isBlob := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
			switch {
			case r.Method == http.MethodHead && isBlob: // of every blob
				w.Header().Set("Content-Length", strconv.FormatInt(sizes[blob], 10))
				return true
			case r.Method == http.MethodPut && isBlob:
				sent[repository+"@"+r.URL.Query().Get("digest")]++
			case r.Method == http.MethodPut && refusal != "":
				content, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(strings.NewReader(string(content)))
				repository, _, _ = strings.Cut(repository, "/manifests/")
				for digest := range sizes {
					if strings.Contains(string(content), digest) && sent[repository+"@"+digest] == 0 {
						w.WriteHeader(http.StatusNotFound)
						_, _ = io.WriteString(w, strings.ReplaceAll(refusal, "%s", digest))
						return true
					}
				}
			}
			return false
		})
		o := s.options()
		o.Signatures = mirror.SignaturesNew
		images := s.images("2025.1")
		r := p.pushed(t, o, images)
		if r.Copied != len(images) || r.SignaturesCopied == 0 {
			t.Errorf("%s: %s", name, show(t, r))
		}
		for blob, times := range sent {
			if times != 1 {
				t.Errorf("%s: %s was sent %d times", name, blob, times)
			}
		}
		for _, i := range images {
			if d, err := p.repository(t, i).Resolve(t.Context(), i.Tag); err != nil || d.Digest != i.Digest {
				t.Errorf("%s: %s is %s, %v", name, i.Reference(), d.Digest, err)
			}
		}
	}
}

// A registry that keeps refusing is given up, and the error names the blob.
func TestPushToARegistryThatLosesEverything(t *testing.T) {
	s := newSite(t, smallRelease(2))
	var mu sync.Mutex
	puts := 0
	p := newFront(t, nil, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		puts++
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":%q}]}`, s.data.Blobs[0].Digest)
		return true
	})
	images := s.images("2025.1")
	r, err := p.push(t.Context(), t, s.options(), images)
	if err != nil || r.Failed != len(images) || !strings.Contains(r.Images[0].Error, "MANIFEST_BLOB_UNKNOWN: blob unknown: sha256:") {
		t.Errorf("%v\n%s", err, show(t, r))
	}
	if puts > 3*len(images) {
		t.Errorf("%d manifests were pushed", puts)
	}
}

// The first repository of a namespace shows, before anything is fetched, what holds for
// all of them: missing or refused credentials, uploads to another name of the registry,
// and redirects that cannot be followed. A missing right concerns one repository only.
func TestPushIsTriedFirst(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(away.Close)
	for name, test := range map[string]struct {
		begin func(w http.ResponseWriter, r *http.Request) // of an upload
		once  bool
		want  string
	}{
		"another name": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", away.URL+r.URL.Path+"1")
			w.WriteHeader(http.StatusAccepted)
		}, true, strings.TrimPrefix(away.URL, "http://")},
		"a redirect of the upload": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, away.URL+r.URL.Path, http.StatusPermanentRedirect)
		}, true, strings.TrimPrefix(away.URL, "http://")},
		"a redirect that makes a GET of it": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, away.URL+r.URL.Path, http.StatusMovedPermanently)
		}, true, strings.TrimPrefix(away.URL, "http://")},
		"no right": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, false, "403"},
		"no pushes": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusMethodNotAllowed)
			_, _ = io.WriteString(w, "read only")
		}, false, "405: read only"},
		"no project": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":[{"code":"NOT_FOUND","message":"project mirror not found"}]}`)
		}, false, "project mirror not found"},
	} {
		s := newSite(t, smallRelease(6))
		p := newFront(t, nil, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				test.begin(w, r)
			}
			return r.Method == http.MethodPost
		})
		images := s.images("2025.1")
		before := s.server.Stats().Requests
		r, err := p.push(t.Context(), t, s.options(), images)
		if err != nil || r.Failed != len(images) {
			t.Errorf("%s: %v\n%s", name, err, show(t, r))
		}
		for _, i := range r.Images {
			if !strings.Contains(i.Error, test.want) || !strings.Contains(i.Error, i.Destination[:strings.LastIndexByte(i.Destination, ':')]) {
				t.Errorf("%s: %s", name, i.Error)
			}
		}
		if n := s.server.Stats().Requests - before; n != 0 {
			t.Errorf("%s: %d requests to the source", name, n)
		}
		want := len(images)
		if test.once {
			want = 1
		}
		posts := 0
		for _, request := range p.wire.sent("POST", "/blobs/uploads/") {
			if !strings.Contains(request, strings.TrimPrefix(away.URL, "http://")) {
				posts++
			}
		}
		if name == "a redirect of the upload" {
			want *= 2 // what the wire sees of it
		}
		if posts != want {
			t.Errorf("%s: %d uploads were begun, want %d", name, posts, want)
		}
	}
}

// On a Quay, checking push access creates the repository (doc/quay-api.md section 5).
// Only repositories that get an image are created, and none by a plan.
func TestTryingAPushLeavesNothing(t *testing.T) {
	s := newSite(t, smallRelease(3))
	to, err := quaytest.NewServer(quaytest.SampleDataset())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	host := strings.TrimPrefix(to.URL(), "http://")
	w := &wire{base: &http.Transport{}}
	t.Cleanup(w.base.CloseIdleConnections)
	who := registry.ForHost(host, registry.NewCredential(quaytest.SamplePusher, quaytest.SamplePusherToken))
	r, err := registry.New(host, registry.Options{PlainHTTP: true, Transport: w, Credentials: who})
	if err != nil {
		t.Fatal(err)
	}
	images := s.images("2025.1")
	made := func() int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.URL()+"/api/v1/repository?namespace=emptyfleet", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+quaytest.SampleToken)
		resp, err := w.base.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var list struct{ Repositories []struct{ Name string } }
		if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		return len(list.Repositories)
	}
	destination, err := destination.Registry(r, "emptyfleet", newLayout(t, t.TempDir()), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mirror.New(destination, s.options()).Plan(t.Context(), slices.Values(images)); err != nil || made() != 0 {
		t.Errorf("a plan: %v, and %d repositories were made", err, made())
	}
	report, err := mirror.New(destination, s.options()).Copy(t.Context(), slices.Values(images))
	if err != nil || report.Copied != len(images) || made() != len(images) {
		t.Errorf("a copy: %v, and %d repositories were made\n%s", err, made(), show(t, report))
	}
}

// A registry that answers mounts with 429 gets uploads instead, at once, and no more
// mounts after a few of them.
func TestPushWhereMountsAreRefusedForNow(t *testing.T) {
	for _, after := range []string{"", "100"} {
		s := newSite(t, smallRelease(10))
		p := newFront(t, nil, func(w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("mount") {
				return false
			}
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		})
		o := s.options()
		o.Jobs = 1
		r := p.pushed(t, o, s.images("2025.1"))
		if mounts := len(p.wire.sent("POST", "mount=")); mounts < 2 || mounts > 12 || r.Mounted != 0 {
			t.Errorf("after %q: asked for %d mounts, %d bytes", after, mounts, r.Mounted)
		}
	}
}

// The error of a push that cannot begin names the repository once.
func TestPushThatCannotBeginSaysSoOnce(t *testing.T) {
	s := newSite(t, smallRelease(1))
	p := newFront(t, nil, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
		}
		return r.Method == http.MethodPost
	})
	r, err := p.push(t.Context(), t, s.options(), s.images("2025.1"))
	if err != nil || len(r.Images) == 0 {
		t.Fatalf("%v\n%s", err, show(t, r))
	}
	for _, i := range r.Images {
		if !strings.HasPrefix(i.Error, "push to "+p.Host()+"/mirror/") || !strings.Contains(i.Error, ": 403") || strings.Count(i.Error, "push to") != 1 {
			t.Errorf("%s: %s", i.Reference, i.Error)
		}
	}
}

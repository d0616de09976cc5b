// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

// Pushes follow a redirect that repeats the request with its body (RFC 9110, sections
// 15.4.8 and 15.4.9). The next address of an upload is relative to where it led.
func TestPushesAreRedirected(t *testing.T) {
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		real := registrytest.Start(t)
		behind := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%d: the password came along to %s", status, r.URL)
			}
			forward(w, r, real.URL())
		})
		for name, to := range map[string]string{"another host": behind, "the same": ""} {
			var redirected []string
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if user, _, _ := r.BasicAuth(); user != robot {
					w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if to == "" && r.URL.Query().Has("again") {
					r.Header.Del("Authorization")
					forward(w, r, real.URL())
					return
				}
				redirected = append(redirected, r.Method)
				query := r.URL.Query()
				query.Set("again", "1")
				w.Header().Set("Location", to+r.URL.Path+"?"+query.Encode())
				w.WriteHeader(status)
			})
			r := connect(t, url, robot, robotSecret).repository(t, "mirror/base")
			content := []byte(strings.Repeat("content of "+name, 100_000))
			d := describe(content, ocispec.MediaTypeImageLayer)
			if err := r.CheckPush(t.Context()); err != nil {
				t.Errorf("%d to %s: %v", status, name, err)
			}
			image := push(t, r, ocispec.Manifest{}, "v1", []byte("{}"), content)
			got, err := r.Resolve(t.Context(), "v1")
			if err != nil || got.Digest != image.Digest {
				t.Errorf("%d to %s: %v, %v", status, name, got, err)
			}
			if has, err := r.HasBlob(t.Context(), d); !has || err != nil {
				t.Errorf("%d to %s: %v, %v", status, name, has, err)
			}
			if all := strings.Join(redirected, " "); !strings.Contains(all, "POST") || !strings.Contains(all, "PUT") || !strings.Contains(all, "HEAD") {
				t.Errorf("%d to %s: redirected %s", status, name, all)
			}
		}
	}
}

// Other redirects would turn a push into a GET, and end it: the error names the host to
// use. So do too many redirects, and one from https to http.
func TestPushesThatAreNotRedirected(t *testing.T) {
	content := []byte("content")
	for location, statuses := range map[string][]int{
		"https://other.example/v2/a/b/blobs/uploads/": {301, 302, 303},
		"/v2/moved":                   {301, 302, 303},
		"http://registry.example/v2/": {301, 307, 308},
		"/v2/round":                   {307, 308},
	} {
		for _, status := range statuses {
			asked := 0
			at := through(t, registry.Options{Transport: answering(func(req *http.Request) *http.Response {
				asked++
				if req.URL.Host != "registry.example" || req.URL.Scheme != "https" {
					t.Errorf("%d: asks %s", status, req.URL)
				}
				return &http.Response{StatusCode: status, Header: http.Header{"Location": {location}}, Body: http.NoBody}
			})})
			for what, err := range map[string]error{
				"upload":   at.Upload(t.Context(), describe(content, ""), opened(content, nil)),
				"manifest": at.PushManifest(t.Context(), describe(content, ocispec.MediaTypeImageManifest), content, "v1"),
				"begin":    at.CheckPush(t.Context()),
			} {
				if !errors.Is(err, registry.ErrRedirect) || strings.HasPrefix(location, "https") && !strings.Contains(err.Error(), "other.example") {
					t.Errorf("%s: %d to %s: %v", what, status, location, err)
				}
				if location == "/v2/moved" && (strings.Contains(err.Error(), "use the name") || !strings.Contains(err.Error(), "307 or 308")) {
					t.Errorf("%s: %d to %s: %v", what, status, location, err)
				}
			}
			if asked > 18 {
				t.Errorf("%d to %s: asked %d times", status, location, asked)
			}
		}
	}
}

// reached connects to a server by any name.
func reached(t *testing.T, name, url string, c registry.Credential) *registry.Registry {
	t.Helper()
	base := registry.NewTransport(nil)
	t.Cleanup(base.CloseIdleConnections)
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(url, "http://"))
	}
	r, err := registry.New(name, registry.Options{Transport: base, PlainHTTP: true, Credentials: registry.ForHost(name, c)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A Quay names itself by its configuration for tokens and uploads (doc/quay-api.md,
// "Corrections", Uploads). Credentials for another name are not sent there, and the
// error says which name to use.
func TestQuayBehindAnAlias(t *testing.T) {
	q, err := quaytest.NewServer(quaytest.SampleDataset(), quaytest.WithServerHostname("quay.invalid"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	stored := registry.NewCredential(quaytest.SamplePusher, quaytest.SamplePusherToken)
	api := registry.NewCredential("$oauthtoken", quaytest.SamplePushToken).OwnHost()
	content := []byte("content")
	for name, test := range map[string]struct {
		host string
		c    registry.Credential
		want error
	}{
		"its name":                   {"quay.invalid", stored, nil},
		"its name, token of the API": {"quay.invalid", api, nil},
		"an alias":                   {"alias.invalid", stored, registry.ErrRedirect},
		"an alias, token of the API": {"alias.invalid", api, registry.ErrLogin},
	} {
		// A repository for each test: the first who pushes creates it, and may write.
		own := strings.NewReplacer(" ", "-", ",", "").Replace(strings.ToLower(name))
		r, err := reached(t, test.host, q.URL(), test.c).Repository("emptyfleet/mirror/" + own)
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"begin":  r.CheckPush(t.Context()),
			"upload": r.Upload(t.Context(), describe(content, ""), opened(content, nil)),
		} {
			if !errors.Is(err, test.want) || test.want != nil && !strings.Contains(err.Error(), "quay.invalid") {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	// A private repository is denied because the token was not sent; the error says so.
	r, err := reached(t, "alias.invalid", q.URL(), registry.NewCredential("$oauthtoken", quaytest.SampleToken).OwnHost()).Repository(private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), tag); !errors.Is(err, registry.ErrLogin) || !strings.Contains(err.Error(), "use that name") {
		t.Errorf("private: %v", err)
	}
}

// CheckPush detects uploads that lead to an unreachable host or have no address. A host
// that accepts uploads from anyone is no error.
func TestUploadAddresses(t *testing.T) {
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodDelete: // as object storage with an address for PUT
			w.WriteHeader(http.StatusForbidden)
		}
	})
	for location, want := range map[string]error{
		away + "/bucket/1?signature=x":        nil,
		away + "/v2/a/b/blobs/uploads/1":      registry.ErrRedirect,
		"http://127.0.0.1:1/v2/a/b/uploads/1": registry.ErrRedirect,
		"":                                    registry.ErrMalformed,
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusAccepted)
		})
		if err := connect(t, url, robot, robotSecret).repository(t, "a/b").CheckPush(t.Context()); !errors.Is(err, want) || want != nil && err == nil {
			t.Errorf("%q: %v", location, err)
		}
	}
}

// The session of a refused upload is canceled, on the registry's own host only.
func TestRefusedUploadEndsItsSession(t *testing.T) {
	content := []byte("content of a layer")
	for name, test := range map[string]struct {
		status int
		host   string // of the session; "" is the registry's
		want   int32
	}{
		"301": {301, "", 1}, "400": {400, "", 1}, "403": {403, "", 1}, "413": {413, "", 1},
		"elsewhere": {400, "other", 0},
	} {
		var ended atomic.Int32
		answer := func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			switch r.Method {
			case http.MethodPut:
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
			case http.MethodDelete:
				if r.URL.Path != "/v2/session" {
					t.Errorf("%s: ends %s", name, r.URL.Path)
				}
				ended.Add(1)
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
		}
		session := "/v2/session"
		if test.host != "" {
			session = serve(t, answer) + session
		}
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				answer(w, r)
				return
			}
			w.Header().Set("Location", session)
			w.WriteHeader(http.StatusAccepted)
		})
		err := connect(t, url, "", "").repository(t, "a/b").Upload(t.Context(), describe(content, ""), opened(content, nil))
		if err == nil || !strings.Contains(err.Error(), strconv.Itoa(test.status)) || ended.Load() != test.want {
			t.Errorf("%s: %v, ended %d sessions, want %d", name, err, ended.Load(), test.want)
		}
	}
}

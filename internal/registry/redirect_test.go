// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
)

// No redirect leads from https to http. A redirect back from another host carries no
// credential.
func TestRedirectsOverTLS(t *testing.T) {
	content := []byte("content")
	d := describe(content, "")
	for name, test := range map[string]struct {
		hops []string // one after another
		good bool
	}{
		"to another host":       {[]string{"https://cdn.example.com/x"}, true},
		"to http":               {[]string{"http://quay.io/x"}, false},
		"to http, and the port": {[]string{"http://quay.io:443/x"}, false},
		"to http elsewhere":     {[]string{"http://cdn.example.com/x"}, false},
		"to http in the end":    {[]string{"https://cdn.example.com/x", "http://cdn.example.com/y"}, false},
		"there and back":        {[]string{"https://cdn.example.com/x", "https://quay.io/x"}, true},
	} {
		hop := 0
		sent := answering(func(req *http.Request) *http.Response {
			registrys := req.URL.Host == "quay.io" && hop == 0
			authorized := req.Header.Get("Authorization") != ""
			if req.URL.Scheme != "https" || authorized && !registrys {
				t.Errorf("%s: asks for %s, with credentials: %v", name, req.URL, authorized)
			}
			resp := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(content)), ContentLength: int64(len(content)), Header: http.Header{}}
			location, status := "", http.StatusFound
			switch {
			case registrys && !authorized:
				status = http.StatusUnauthorized
				resp.Header.Set("WWW-Authenticate", `Basic realm="x"`)
			case req.Method == http.MethodPost:
				location, status = test.hops[0], http.StatusAccepted
			case req.Method == http.MethodPut:
				status = http.StatusCreated
			case hop < len(test.hops):
				location = test.hops[hop]
				hop++
			default:
				return resp
			}
			resp.StatusCode, resp.Body, resp.ContentLength = status, http.NoBody, 0
			resp.Header.Set("Location", location)
			return resp
		})
		reg, err := registry.New("quay.io", registry.Options{Transport: sent,
			Credentials: registry.ForHost("quay.io", registry.NewCredential(robot, robotSecret))})
		if err != nil {
			t.Fatal(err)
		}
		r, err := reg.Repository("a/b")
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := drain(t, r, d, 0)
		if test.good != (err == nil && bytes.Equal(got, content)) || !test.good && !errors.Is(err, registry.ErrRedirect) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if len(test.hops) == 1 {
			hop = 0
			err := r.Upload(t.Context(), d, opened(content, nil))
			if test.good != (err == nil) || !test.good && !errors.Is(err, registry.ErrRedirect) {
				t.Errorf("%s: upload: %v", name, err)
			}
		}
	}
}

// No error shows a signed address.
func TestSignedAddressStaysHidden(t *testing.T) {
	image := describe([]byte("image"), "")
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.RawQuery, "s3cr3t") {
			t.Errorf("asks for %s", r.URL)
		}
		w.Header()["Content-Type"] = []string{strings.TrimPrefix(r.URL.Path, "/")}
		_, _ = io.WriteString(w, "{")
	})
	for name, test := range map[string]struct{ part, mediaType string }{
		"list of referrers":         {"/referrers/", ocispec.MediaTypeImageIndex},
		"fallback tag":              {"/manifests/sha256-", ocispec.MediaTypeImageIndex},
		"fallback tag without type": {"/manifests/sha256-", ""},
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, test.part) {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			http.Redirect(w, r, away+"/"+test.mediaType+"?X-Amz-Signature=s3cr3t", http.StatusFound)
		})
		_, err := connect(t, url, "", "").repository(t, "a/b").Attachments(t.Context(), image.Digest)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The address of an upload session may be a secret.
func TestSessionStaysHidden(t *testing.T) {
	content := []byte("content")
	broken := errors.New("disk is gone")
	for challenge, want := range map[string]string{
		`Basic realm="x"`:                  "disk is gone", // when it is opened for the second time
		`Bearer realm="ftp://example.com"`: "unsupported scheme",
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Method == http.MethodPost {
				w.Header().Set("Location", "/v2/a/b/blobs/uploads/1?_state=s3cr3t")
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		})
		times := 0
		err := connect(t, url, robot, robotSecret).repository(t, "a/b").Upload(t.Context(), describe(content, ""), func() (io.ReadCloser, error) {
			if times++; times > 1 {
				return nil, broken
			}
			return io.NopCloser(bytes.NewReader(content)), nil
		})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", challenge, err)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
)

// A listing is a transport to a registry without the referrers API, which answers
// requests for referrers itself.
type listing struct {
	base    http.RoundTripper
	answer  func(subject string) (status int, mediaType, body string)
	subject bool // sends OCI-Subject

	mu    sync.Mutex
	asked []string // of referrers
	tags  []string // names under which manifests were pushed
}

func (l *listing) RoundTrip(r *http.Request) (*http.Response, error) {
	_, last, _ := strings.Cut(r.URL.Path, "/referrers/")
	if last != "" {
		l.mu.Lock()
		l.asked = append(l.asked, last)
		l.mu.Unlock()
		status, mediaType, body := l.answer(last)
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: http.Header{"Content-Type": {mediaType}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}
	_, name, pushed := strings.Cut(r.URL.Path, "/manifests/")
	resp, err := l.base.RoundTrip(r)
	if err == nil && pushed && r.Method == http.MethodPut {
		l.mu.Lock()
		l.tags = append(l.tags, name)
		l.mu.Unlock()
		if l.subject {
			resp.Header.Set("OCI-Subject", digest.FromString("subject").String())
		}
	}
	return resp, err
}

// A registry with the referrers API gets no fallback tag, even if it does not send
// OCI-Subject, like a Quay (doc/quay-api.md, "Corrections").
func TestNoFallbackTagWhereReferrersAreListed(t *testing.T) {
	const none = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	server := registrytest.Start(t)
	for name, test := range map[string]struct {
		status          int
		mediaType, body string
		subject         bool // OCI-Subject is sent
		fallback        bool
	}{
		"a list":                        {200, ocispec.MediaTypeImageIndex, none, false, false},
		"a list, with parameters":       {200, ocispec.MediaTypeImageIndex + "; charset=utf-8", none, false, false},
		"a Quay without the subject":    {400, "application/json", `{"errors":[{"code":"MANIFEST_INVALID","detail":"","message":"manifest invalid"}]}`, false, false},
		"OCI-Subject alone":             {404, "text/plain", "404 page not found", true, false},
		"no list":                       {404, "text/plain", "404 page not found", false, true},
		"a page for everything":         {200, "text/html", "<html>", false, true},
		"an error of another sort":      {400, "application/json", `{"errors":[{"code":"UNSUPPORTED"}]}`, false, true},
		"an error without text":         {405, "", "", false, true},
		"an answer that is no error":    {400, "application/json", `7`, false, true},
		"an answer cut off in its name": {400, "application/json", `{"errors":[{"code":"MANIFEST_INV`, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			base := &http.Transport{}
			t.Cleanup(base.CloseIdleConnections)
			wire := &listing{base: base, subject: test.subject, answer: func(string) (int, string, string) { return test.status, test.mediaType, test.body }}
			r, err := registry.New(server.Host(), registry.Options{PlainHTTP: true, Transport: wire})
			if err != nil {
				t.Fatal(err)
			}
			at, err := r.Repository("mirror/" + strings.ToLower(strings.NewReplacer(" ", "-", ",", "").Replace(name)))
			if err != nil {
				t.Fatal(err)
			}
			subject := describe([]byte("{}"), ocispec.MediaTypeImageManifest) // which does not exist yet
			subject.Digest = digest.FromString(name)
			for _, content := range []string{"first", "second"} {
				push(t, at, ocispec.Manifest{ArtifactType: "application/vnd.example.sbom", Subject: &subject}, "", []byte("{}"), []byte(content))
			}
			fallback := slices.Contains(wire.tags, strings.Replace(subject.Digest.String(), ":", "-", 1))
			if fallback != test.fallback {
				t.Errorf("a fallback tag: %v, pushed %q", fallback, wire.tags)
			}
			if len(wire.asked) != 1 || wire.asked[0] != subject.Digest.String() {
				t.Errorf("asked for the referrers of %q", wire.asked)
			}
		})
	}
}

// If a registry in trouble cannot list referrers, it gets no fallback tag: the push
// fails, and the next push tries again.
func TestNoFallbackTagInTrouble(t *testing.T) {
	server := registrytest.Start(t)
	for _, status := range []int{429, 500, 502, 503, 504} {
		base := &http.Transport{}
		t.Cleanup(base.CloseIdleConnections)
		wire := &listing{base: base, answer: func(string) (int, string, string) { return status, "text/html", "<title>in trouble</title>" }}
		r, err := registry.New(server.Host(), registry.Options{PlainHTTP: true, Transport: wire})
		if err != nil {
			t.Fatal(err)
		}
		at, err := r.Repository("mirror/in-trouble-" + strconv.Itoa(status))
		if err != nil {
			t.Fatal(err)
		}
		subject := describe([]byte("{}"), ocispec.MediaTypeImageManifest)
		image := push(t, at, ocispec.Manifest{}, "", []byte("{}"))
		content, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: subject, Subject: &image})
		if err != nil {
			t.Fatal(err)
		}
		e := new(registry.Error)
		err = at.PushManifest(t.Context(), describe(content, ocispec.MediaTypeImageManifest), content, "")
		if !errors.As(err, &e) || e.Status != status || len(wire.tags) != 1 {
			t.Errorf("%d: %v, pushed %q", status, err, wire.tags)
		}
		wire.answer = func(string) (int, string, string) {
			return 200, ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[]}`
		}
		if err := at.PushManifest(t.Context(), describe(content, ocispec.MediaTypeImageManifest), content, ""); err != nil || len(wire.tags) != 2 {
			t.Errorf("%d, and then a list: %v, pushed %q", status, err, wire.tags)
		}
	}
}

// Pushing a manifest without a subject requests no referrers.
func TestImagesAskForNoReferrers(t *testing.T) {
	server := registrytest.Start(t)
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	wire := &listing{base: base}
	r, err := registry.New(server.Host(), registry.Options{PlainHTTP: true, Transport: wire})
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.Repository("mirror/plain")
	if err != nil {
		t.Fatal(err)
	}
	push(t, at, ocispec.Manifest{}, "v1", []byte("{}"))
	if len(wire.asked) != 0 {
		t.Errorf("asked for %q", wire.asked)
	}
}

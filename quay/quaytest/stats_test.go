// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

func TestStatsCountByClass(t *testing.T) {
	classes := map[string]string{
		listPath:                                "list",
		tagPath:                                 "tags",
		"/api/v1/repository/harbour/a/b/tag/":   "tags",
		"/api/v1/organization/harbour":          "namespace",
		"/api/v1/users/pilot":                   "namespace",
		"/api/v1/user/":                         "user",
		"/api/v1/repository/harbour/plain":      "api",
		"/api/v1/organization/harbour/robots":   "api",
		"/v2/auth?scope=x":                      "auth",
		"/v2/harbour/a/b/manifests/1.0":         "manifest",
		blobPath:                                "blob",
		"/v2/harbour/plain/tags/list":           "taglist",
		"/v2/_catalog":                          "catalog",
		"/v2/":                                  "v2",
		"/v2/harbour/plain/referrers/sha256:00": "v2",
		"/blobs/q/sha256/00/" + zeros:           "storage",
		"/":                                     "web",
	}
	for target, class := range classes {
		h := newHandler(t)
		ask(h, 1, h1Address, target)
		if of, ok := h.Stats().Classes[class]; !ok || of.Requests != 1 {
			t.Errorf("%s is not counted as %s: %+v", target, class, h.Stats().Classes)
		}
	}
}

func TestStatsTellTokensStatusesAndBytes(t *testing.T) {
	s := newServer(t, quaytest.WithQuirk("outage", "1:429"), quaytest.WithTLS())
	var bytes int64
	get := func(target, authorization string) {
		r, err := http.NewRequest(http.MethodGet, s.URL()+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		bytes += resp.ContentLength
	}
	get(listPath, "Bearer pilot-token") // refused
	refused := bytes
	get(listPath, "Bearer pilot-token")
	listed := bytes
	get(tagPath, "")
	get(tagPath, "")
	want := quaytest.Stats{
		Requests: 4, WithToken: 2, WithoutToken: 2, Refused: 1, Bytes: bytes,
		Connections: quaytest.Connections{Accepted: 1, HTTP2: 1},
		Classes: map[string]quaytest.ClassStats{
			"list": {Requests: 2, WithToken: 2, Bytes: listed, Content: listed - refused, Statuses: map[int]int64{429: 1, 200: 1}},
			"tags": {Requests: 2, Bytes: bytes - listed, Content: bytes - listed, Statuses: map[int]int64{200: 2}},
		},
	}
	if refused != 162 { // recording limit-http1
		t.Errorf("the refusal has %d bytes", refused)
	}
	got := s.Stats()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	got.Classes["list"].Statuses[200] = 99
	if s.Stats().Classes["list"].Statuses[200] != 1 {
		t.Error("a snapshot shares its maps with the server")
	}

	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var back quaytest.Stats
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("read back from JSON (-want +got):\n%s", diff)
	}
}

func TestStatsCountsWhoLeft(t *testing.T) {
	h := newHandler(t, quaytest.WithLatency(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, listPath, nil).WithContext(ctx))
	}()
	want := map[string]quaytest.ClassStats{"list": {Requests: 1, Statuses: map[int]int64{0: 1}}}
	if diff := cmp.Diff(want, h.Stats().Classes); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
}

// A shortWriter breaks after ten bytes of a body.
type shortWriter struct{ http.ResponseWriter }

func (w shortWriter) Write(p []byte) (int, error) { return min(len(p), 10), io.ErrClosedPipe }

func TestStatsCountBytesThatWereWritten(t *testing.T) {
	h := newHandler(t)
	h.ServeHTTP(shortWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, listPath, nil))
	if got := h.Stats().Bytes; got != 10 {
		t.Errorf("%d bytes counted, want 10", got)
	}
}

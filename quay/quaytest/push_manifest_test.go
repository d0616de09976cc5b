// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

// A push shows at once on both APIs, in the listing, and in times.
func TestPushIsSeenAtOnce(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := newPushing(t, quaytest.WithClock(func() time.Time { return now }))
	rest := func(target string) string {
		return p.do("GET", target, nil, "Authorization", "Bearer "+creates).Body.String()
	}
	contains := func(text string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%q is not in %s", w, text)
			}
		}
	}
	p.as("alice", "right", "destharbour/tools/new:pull,push")
	const list = "/api/v1/repository?namespace=destharbour&public=true&last_modified=true"
	contains(rest(list), `"name": "tools/new", "description": null, "is_public": false`, `"last_modified": null, "is_starred"`)
	one := p.image("destharbour/tools/new", "v1", "one")
	contains(rest(list), `"last_modified": 1800000000`)
	contains(rest("/api/v1/repository/destharbour/tools/new/tag/"), `"name": "v1"`, `"start_ts": 1800000000`, one, `"size": 3`)
	contains(rest("/api/v1/repository/destharbour/tools/new"), `"tags": {"v1"`, `"can_write": true`)
	contains(rest("/api/v1/repository/destharbour/tools/new/manifest/"+one), `"layers_compressed_size": 3`)
	contains(p.do("GET", "/v2/destharbour/tools/new/tags/list", nil).Body.String(), `"tags":["v1"]`)
	contains(p.do("GET", "/v2/_catalog", nil).Body.String(), `destharbour/tools/new`)
	p.want(200, one, "HEAD", "/v2/destharbour/tools/new/manifests/v1", nil, "Accept", ociManifestType)

	// The tag moves: the history is newest first and has one live row, also for moves at the
	// same instant.
	two := p.image("destharbour/tools/new", "v1", "two")
	contains(rest("/api/v1/repository/destharbour/tools/new/tag/?onlyActiveTags=true"), two)
	if active := rest("/api/v1/repository/destharbour/tools/new/tag/?onlyActiveTags=true"); strings.Contains(active, one) {
		t.Errorf("the old row lives: %s", active)
	}
	history := rest("/api/v1/repository/destharbour/tools/new/tag/")
	if strings.Index(history, two) > strings.Index(history, one) || !strings.Contains(history, `"end_ts": 1800000000`) {
		t.Errorf("history: %s", history)
	}
	p.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/destharbour/tools/new/manifests/"+one, nil)
	p.want(202, "", "DELETE", "/v2/destharbour/tools/new/manifests/"+two, nil)
	p.want(404, "TAG_EXPIRED", "GET", "/v2/destharbour/tools/new/manifests/v1", nil, "Accept", ociManifestType)
	contains(rest(list), `"last_modified": null`)

	// A push to a repository of the dataset.
	p.as("alice", "right", "destharbour/open:pull,push")
	open := p.image("destharbour/open", "v9", "open")
	p.bearer = ""
	p.want(200, open, "GET", "/v2/destharbour/open/manifests/v9", nil, "Accept", ociManifestType)
	p.want(200, open, "GET", "/api/v1/repository/destharbour/open/tag/?specificTag=v9&onlyActiveTags=true", nil)
	if public := p.do("GET", list, nil).Body.String(); strings.Contains(public, "tools/new") {
		t.Errorf("an anonymous caller sees a private repository: %s", public)
	}
}

// A manifest that is pushed by digest is kept for an hour, or for ever if it has a
// subject.
func TestPushByDigest(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := newPushing(t, quaytest.WithClock(func() time.Time { return now }))
	p.as("alice", "right", "destharbour/open:pull,push")
	config, layer := []byte("{}"), []byte("layer")
	p.blob("destharbour/open", config)
	p.blob("destharbour/open", layer)
	plain := manifest(config, layer, "")
	with := manifest(config, layer, `, "subject": {"mediaType": "x/y", "digest": "`+sum(plain)+`", "size": 1}`)
	for _, m := range [][]byte{plain, with} {
		w := p.want(201, "OK", "PUT", "/v2/destharbour/open/manifests/"+sum(m), m, "Content-Type", ociManifestType)
		if w.Header().Get("OCI-Subject") != "" {
			t.Error("Quay sends no OCI-Subject")
		}
	}
	p.bearer = ""
	p.want(200, "", "GET", "/v2/destharbour/open/manifests/"+sum(plain), nil)
	p.want(200, sum(with), "GET", "/v2/destharbour/open/referrers/"+sum(plain), nil)
	if tags := p.do("GET", "/api/v1/repository/destharbour/open/tag/", nil).Body.String(); !strings.Contains(tags, `"tags": []`) {
		t.Errorf("a hidden tag shows: %s", tags)
	}
	now = now.Add(61 * time.Minute)
	p.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/destharbour/open/manifests/"+sum(plain), nil)
	p.want(200, "", "GET", "/v2/destharbour/open/manifests/"+sum(with), nil)
}

// A refused manifest gets a reason in detail.message.
func TestManifestsThatAreRefused(t *testing.T) {
	p := newPushing(t)
	p.as("alice", "right", "destharbour/app:pull,push")
	config, layer := []byte("{}"), []byte("layer")
	p.blob("destharbour/app", config)
	p.blob("destharbour/app", layer)
	good := string(manifest(config, layer, ""))
	for _, c := range []struct {
		mediaType, content string
		status             int
		words              string
	}{
		{"text/plain", good, 415, "manifest schema version not supported"},
		{"application/json", good, 400, "failed to parse manifest"},
		{"", good, 400, "failed to parse manifest"},
		{ociIndexType, good, 400, "is not one of"},
		{ociManifestType, "{", 400, "malformed manifest data"},
		{ociManifestType, "[]", 400, "does not match schema"},
		{ociManifestType, strings.Replace(good, `"schemaVersion": 2`, `"schemaVersion": 1`, 1), 400, "schema"},
		{ociManifestType, strings.Replace(good, `"layers"`, `"lairs"`, 1), 400, "'layers' is a required property"},
		{ociManifestType, strings.Replace(good, `"config"`, `"conf"`, 1), 400, "'config' is a required property"},
		{ociManifestType, strings.Replace(good, `"size": 5`, `"size": -5`, 1), 400, "invalid layer size"},
		{ociManifestType, strings.Replace(good, sum(config), sum(nil), 1), 400, "Unknown blob `" + sum(nil) + "`"},
	} {
		w := p.want(c.status, c.words, "PUT", "/v2/destharbour/app/manifests/v1", []byte(c.content), "Content-Type", c.mediaType)
		var answer struct {
			Errors []struct {
				Code   string
				Detail struct{ Message string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Errors[0].Code != "MANIFEST_INVALID" || answer.Errors[0].Detail.Message == "" {
			t.Errorf("%s: %v %s", c.words, err, w.Body)
		}
	}
	bad := strings.Replace(good, sum(config), sum(nil), 1)
	p.want(400, `"detail":{}`, "PUT", "/v2/destharbour/app/manifests/"+sum([]byte(bad)), []byte(bad), "Content-Type", ociManifestType)
	p.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/destharbour/app/manifests/v1", nil, "Accept", ociManifestType)

	image := p.image("destharbour/app", "v1", "whole")
	index := func(size int) []byte {
		return fmt.Appendf(nil, `{"schemaVersion": 2, "mediaType": %q, "manifests": [{"mediaType": %q, "digest": %q, "size": %d}]}`, ociIndexType, ociManifestType, image, size)
	}
	size := len(manifest(config, []byte("whole"), ""))
	p.want(400, "Size of manifest does not match", "PUT", "/v2/destharbour/app/manifests/list", index(size+1), "Content-Type", ociIndexType)
	p.want(201, "OK", "PUT", "/v2/destharbour/app/manifests/list", index(size), "Content-Type", ociIndexType)
	tags := p.do("GET", "/api/v1/repository/destharbour/app/tag/?specificTag=list", nil, "Authorization", "Bearer "+creates).Body.String()
	if !strings.Contains(tags, `"is_manifest_list": true, "size": null`) || !strings.Contains(tags, `"is_sparse": false, "child_manifest_count": 1`) {
		t.Errorf("the index: %s", tags)
	}
	// The index keeps its image when the image's own tag is deleted.
	p.want(202, "", "DELETE", "/v2/destharbour/app/manifests/v1", nil)
	p.want(200, "", "GET", "/v2/destharbour/app/manifests/"+image, nil)
}

// Quay checks the configuration of a Docker image, and requires a platform for each
// manifest of a list (image/docker/schema2).
func TestDockerManifests(t *testing.T) {
	const single, list = "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"
	p := newPushing(t)
	p.as("alice", "right", "destharbour/app:pull,push")
	layer := []byte("layer")
	p.blob("destharbour/app", layer)
	docker := func(config, configType string) []byte {
		return fmt.Appendf(nil, `{"schemaVersion": 2, "mediaType": %q, "config": {"mediaType": %q, "digest": %q, "size": %d},
			"layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": %q, "size": 5}]}`,
			single, configType, sum([]byte(config)), len(config), sum(layer))
	}
	const good, configType = `{"history": [{}], "rootfs": {"type": "layers"}}`, "application/vnd.docker.container.image.v1+json"
	put := func(status int, words, mediaType string, m []byte) {
		t.Helper()
		p.want(status, words, "PUT", "/v2/destharbour/app/manifests/v1", m, "Content-Type", mediaType)
	}
	put(400, "Could not load config blob for manifest", single, docker(good, configType))
	p.blob("destharbour/app", []byte(good))
	put(400, "is not one of", single, docker(good, "application/octet-stream"))
	put(400, "Size of config does not match", single, []byte(strings.Replace(string(docker(good, configType)), fmt.Sprintf(`"size": %d}`, len(good)), `"size": 1}`, 1)))
	for config, words := range map[string]string{"{}": "'history' is a required property", "[]": "does not match schema", "{": "malformed config data"} {
		p.blob("destharbour/app", []byte(config))
		put(400, words, single, docker(config, configType))
	}
	put(400, "could not parse manifest digest: none", single, []byte(strings.Replace(string(docker(good, configType)), sum(layer), "none", 1)))
	put(201, "OK", single, docker(good, configType))
	index := func(platform string) []byte {
		m := docker(good, configType)
		return fmt.Appendf(nil, `{"schemaVersion": 2, "mediaType": %q, "manifests": [{"mediaType": %q, "digest": %q, "size": %d%s}]}`, list, single, sum(m), len(m), platform)
	}
	put(400, "'platform' is a required property", list, index(""))
	put(400, "'os' is a required property", list, index(`, "platform": {"architecture": "amd64"}`))
	put(201, "OK", list, index(`, "platform": {"architecture": "amd64", "os": "linux"}`))
}

// FuzzPush checks that no request of a pusher makes the server fail.
func FuzzPush(f *testing.F) {
	p := newPushing(f, quaytest.WithPushLimit(1<<20))
	p.as("alice", "right", "destharbour/app:pull,push")
	const uploads = "/v2/destharbour/app/blobs/uploads/"
	at := uploads + p.do("POST", uploads, nil).Header().Get("Docker-Upload-UUID")
	f.Add("POST", uploads+"?digest="+sum(nil), "", "", []byte{})
	f.Add("POST", uploads+"?mount="+sum(nil)+"&from=destharbour/app", "", "", []byte{})
	f.Add("PATCH", at, "", "0-3", []byte("data"))
	f.Add("PUT", at+"?digest=sha256:00", "", "9999999999999999999-0", []byte("data"))
	f.Add("PUT", "/v2/destharbour/app/manifests/v1", ociManifestType, "", manifest(nil, nil, ""))
	f.Add("PUT", "/v2/destharbour/app/manifests/v1", ociIndexType, "", []byte(`{"schemaVersion":2,"manifests":[{}],"subject":{}}`))
	f.Add("DELETE", "/v2/destharbour/app/manifests/v1", "", "", []byte{})
	f.Fuzz(func(t *testing.T, method, target, contentType, contentRange string, body []byte) {
		to, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		r := &http.Request{Method: method, URL: to, Host: "quay.test:8443", TLS: &tls.ConnectionState{}, Header: http.Header{},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
		r.Header.Set("Authorization", p.bearer)
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Content-Range", contentRange)
		w := httptest.NewRecorder()
		p.h.ServeHTTP(w, r)
		if w.Code < 200 || w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// The tags that cosign names after a digest end with the last tag of the digest.
func TestSignaturesGoWithTheirImage(t *testing.T) {
	p := newPushing(t)
	p.as("alice", "right", "destharbour/app:pull,push")
	image := p.image("destharbour/app", "v1", "one")
	signature := strings.Replace(image, ":", "-", 1) + ".sig"
	p.image("destharbour/app", signature, "signature")
	names := func() string { return p.do("GET", "/v2/destharbour/app/tags/list", nil).Body.String() }
	p.image("destharbour/app", "v1", "one") // the same image again
	p.image("destharbour/app", "v2", "one")
	p.want(202, "", "DELETE", "/v2/destharbour/app/manifests/v2", nil)
	if !strings.Contains(names(), signature) {
		t.Errorf("the signature is gone with one of two tags: %s", names())
	}
	p.image("destharbour/app", "v1", "other")
	if strings.Contains(names(), signature) {
		t.Errorf("the signature outlives its image: %s", names())
	}
}

// TestPushWhileReading is for the race detector: many clients push, list and pull.
func TestPushWhileReading(t *testing.T) {
	p := newPushing(t)
	var wg sync.WaitGroup
	const pushers, each = 4, 10
	for i := range pushers {
		wg.Go(func() {
			mine := &pushing{t: t, h: p.h}
			name := fmt.Sprintf("destharbour/app-%d", i%2)
			mine.as("alice", "right", name+":pull,push")
			for n := range each {
				mine.image(name, fmt.Sprintf("v%d-%d", i, n), fmt.Sprintf("%d %d", i, n))
				mine.image(name, "latest", fmt.Sprintf("%d %d", i, n))
			}
		})
		wg.Go(func() {
			mine := &pushing{t: t, h: p.h}
			for range each * 4 {
				name := fmt.Sprintf("destharbour/app-%d", i%2)
				for _, target := range []string{"/api/v1/repository?namespace=destharbour&public=true&last_modified=true",
					"/api/v1/repository/" + name + "/tag/", "/api/v1/repository/" + name} {
					mine.do("GET", target, nil, "Authorization", "Bearer "+creates)
				}
			}
		})
	}
	wg.Wait()
	for i := range 2 {
		p.as("alice", "right", fmt.Sprintf("destharbour/app-%d:pull", i))
		var answer struct{ Tags []string }
		w := p.do("GET", fmt.Sprintf("/v2/destharbour/app-%d/tags/list", i), nil)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Tags) != pushers/2*each+1 || !slices.IsSorted(answer.Tags) {
			t.Errorf("%d tags, %v: %s", len(answer.Tags), err, w.Body)
		}
	}
}

// TestPushOverHTTP pushes a body in chunks to a server.
func TestPushOverHTTP(t *testing.T) {
	s, err := quaytest.NewServer(pushDataset(), quaytest.WithTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	send := func(method, target, authorization string, body []byte) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, target, struct{ *bytes.Reader }{bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	var answer struct{ Token string }
	resp := send("GET", s.URL()+"/v2/auth?service="+address(s)+"&scope=repository:destharbour/app:pull,push", basic("alice", "right"), nil)
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), 1<<20)
	resp = send("POST", s.URL()+"/v2/destharbour/app/blobs/uploads/", "Bearer "+answer.Token, nil)
	if resp = send("PATCH", resp.Header.Get("Location"), "Bearer "+answer.Token, data); resp.StatusCode != 202 {
		t.Fatalf("PATCH: %s", resp.Status)
	}
	if resp = send("PUT", resp.Header.Get("Location")+"?digest="+sum(data), "Bearer "+answer.Token, nil); resp.StatusCode != 201 {
		t.Fatalf("PUT: %s", resp.Status)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
)

// Any 2xx is a success of a push, unless the digest contradicts: registries send other
// statuses than the distribution specification.
func TestAnySuccessIsOne(t *testing.T) {
	content := []byte(`{"schemaVersion":2}`)
	d := describe(content, ocispec.MediaTypeImageManifest)
	for _, status := range []int{200, 201, 202, 203, 204, 206} {
		for _, said := range []string{"", d.Digest.String(), digest.FromString("another").String()} {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if said != "" && r.Method == http.MethodPut {
					w.Header().Set("Docker-Content-Digest", said)
				}
				w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
				w.WriteHeader(status)
			})
			r := connect(t, url, "", "").repository(t, "a/b")
			for what, err := range map[string]error{
				"blob":     r.Upload(t.Context(), d, opened(content, nil)),
				"manifest": r.PushManifest(t.Context(), d, content, "v1"),
				"begin":    r.CheckPush(t.Context()),
			} {
				wrong := said != "" && said != d.Digest.String() && what != "begin"
				if errors.Is(err, registry.ErrMalformed) != wrong || !wrong && err != nil {
					t.Errorf("%s: %d with %q: %v", what, status, said, err)
				}
			}
		}
	}
}

// An invalid digest, or one by another algorithm, contradicts nothing. If a HEAD
// contradicts, a manifest is requested by GET, and a blob counts as missing.
func TestDigestsThatAreNone(t *testing.T) {
	content := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`)
	d := describe(content, ocispec.MediaTypeImageIndex)
	for said, hasBlob := range map[string]bool{
		"": true, "junk": true, strings.ToUpper(d.Digest.String()): true, strconv.Quote(d.Digest.String()): true,
		digest.SHA512.FromBytes(content).String(): true, digest.FromString("another").String(): false,
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Method != http.MethodGet {
				w.Header().Set("Docker-Content-Digest", said)
			}
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				w.Header().Set("Content-Length", strconv.Itoa(len(content)))
				_, _ = w.Write(content)
				return
			}
			w.WriteHeader(http.StatusCreated)
		})
		r := connect(t, url, "", "").repository(t, "a/b")
		if has, err := r.HasManifest(t.Context(), d.Digest); !has || err != nil {
			t.Errorf("%q: manifest: %v, %v", said, has, err)
		}
		if has, err := r.HasBlob(t.Context(), d); has != hasBlob || err != nil {
			t.Errorf("%q: blob: %v, %v", said, has, err)
		}
		if !hasBlob {
			continue // for pushes, see above
		}
		if got, err := r.Resolve(t.Context(), "v1"); err != nil || got.Digest.Algorithm().FromBytes(content) != got.Digest {
			t.Errorf("%q: resolve: %v, %v", said, got.Digest, err)
		}
		if err := r.Upload(t.Context(), d, opened(content, nil)); err != nil {
			t.Errorf("%q: %v", said, err)
		}
		if err := r.PushManifest(t.Context(), d, content, "v1"); err != nil {
			t.Errorf("%q: %v", said, err)
		}
	}
}

// Registries and proxies refuse a HEAD of a manifest in many ways. GET decides, and if
// GET succeeds once, HEAD is not sent any more. A registry's own 404 is final: its body
// is JSON (distribution specification, "Error Codes").
func TestRefusedHeadIsAskedByGet(t *testing.T) {
	content := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`)
	d := describe(content, ocispec.MediaTypeImageIndex)
	for name, test := range map[string]struct {
		head    http.HandlerFunc
		decides bool // GET
	}{
		"400": {status(400, ""), true}, "403": {status(403, ""), true}, "404 without a body": {status(404, ""), true},
		"405": {status(405, ""), true}, "406": {status(406, ""), true}, "415": {status(415, ""), true}, "500": {status(500, ""), true}, "501": {status(501, ""), true},
		"404 as text": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "404 page not found", 404) }, true},
		"404 of a registry": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(404)
		}, false},
		"404 with the header of a registry": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.WriteHeader(404)
		}, false},
		"200 without anything": {status(200, ""), true},
		"200 without a digest": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		}, true},
		"200 as text": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Docker-Content-Digest", d.Digest.String())
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		}, true},
	} {
		heads, gets := 0, 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodHead:
				heads++
				test.head(w, r)
			case strings.HasSuffix(r.URL.Path, "/none"), strings.HasSuffix(r.URL.Path, "1111"):
				gets++
				http.NotFound(w, r)
			default:
				gets++
				w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
				_, _ = w.Write(content)
			}
		})
		r := connect(t, url, "", "").repository(t, "a/b")
		if has, err := r.HasManifest(t.Context(), digest.Digest("sha256:"+strings.Repeat("1", 64))); !strings.HasPrefix(name, "200") && (has || err != nil) {
			t.Errorf("%s: what is not there: %v, %v", name, has, err)
		}
		if _, err := r.Resolve(t.Context(), "none"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: a tag that is not there: %v", name, err)
		}
		before := gets
		got, err := r.Resolve(t.Context(), "v1")
		if test.decides && (err != nil || got.Digest != d.Digest || got.Size != d.Size || got.MediaType != d.MediaType) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if asked := gets > before; asked != test.decides || test.decides == errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: asked by GET: %v, %v", name, asked, err)
		}
		has, err := r.HasManifest(t.Context(), d.Digest)
		if has != (test.decides || strings.HasPrefix(name, "200")) || err != nil {
			t.Errorf("%s: %v, %v", name, has, err)
		}
		if refused := test.decides && !strings.HasPrefix(name, "200"); refused && heads != 3 {
			t.Errorf("%s: HEAD was asked %d times", name, heads)
		}
	}
}

// A blob counts as missing if its HEAD is refused or has another length.
func TestRefusedHeadOfABlob(t *testing.T) {
	for name, head := range map[string]http.HandlerFunc{
		"400": status(400, ""), "403": status(403, ""), "404": status(404, ""), "405": status(405, ""), "500": status(500, ""), "501": status(501, ""),
		"another length": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
	} {
		has, err := connect(t, serve(t, head), "", "").repository(t, "a/b").HasBlob(t.Context(), describe([]byte("content"), ""))
		if has || err != nil {
			t.Errorf("%s: %v, %v", name, has, err)
		}
	}
}

// The content's own media type counts if the server names none, or a general one.
func TestManifestWithoutItsType(t *testing.T) {
	config := `"config":{"mediaType":"` + ocispec.MediaTypeImageConfig + `","digest":"` + digest.FromString("c").String() + `","size":1},"layers":[]`
	docker := strings.ReplaceAll(config, ocispec.MediaTypeImageConfig, "application/vnd.docker.container.image.v1+json")
	for content, want := range map[string]string{
		`{"schemaVersion":2,"mediaType":"` + manifest.DockerManifest + `",` + docker + `}`:        manifest.DockerManifest,
		`{"schemaVersion":2,"mediaType":"` + manifest.DockerIndex + `","manifests":[]}`:           manifest.DockerIndex,
		`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `",` + config + `}`: ocispec.MediaTypeImageManifest,
		`{"schemaVersion":2,` + config + `}`:                                                      ocispec.MediaTypeImageManifest,
		`{"schemaVersion":2,` + docker + `}`:                                                      manifest.DockerManifest,
		`{"schemaVersion":2,"manifests":[]}`:                                                      ocispec.MediaTypeImageIndex,
		`{"schemaVersion":1,"name":"a/b","tag":"v1"}`:                                             "",
		`{"schemaVersion":2}`: "",
		`{"schemaVersion":2,"mediaType":"application/vnd.example",` + config + `}`: "",
		`<html></html>`: "",
		``:              "",
	} {
		for _, served := range []string{"application/json", "application/octet-stream", "binary/octet-stream", "text/plain; charset=utf-8", "", ";;"} {
			url := serve(t, typed(served, content))
			r := connect(t, url, "", "").repository(t, "a/b")
			d, got, err := r.Manifest(t.Context(), digest.FromString(content))
			resolved, errTag := r.Resolve(t.Context(), "v1")
			switch {
			case want == "":
				malformed(t, content+" as "+served, err)
				malformed(t, content+" by tag as "+served, errTag)
			case err != nil || d.MediaType != want || string(got) != content:
				t.Errorf("%s as %q: %+v, %v", content, served, d, err)
			case errTag != nil || resolved.Digest != d.Digest || resolved.MediaType != want:
				t.Errorf("%s by tag as %q: %+v, %v", content, served, resolved, errTag)
			}
		}
	}
}

// A layer with a Content-Encoding is accepted if its length matches, and not decoded.
func TestLabelledLayer(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("layer"), 10_000))
	_ = z.Close()
	d := describe(packed.Bytes(), ocispec.MediaTypeImageLayerGzip)
	for _, coding := range []string{"gzip", "GZIP", "x-gzip", "identity", "aws-chunked", "zstd"} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if said := r.Header.Get("Accept-Encoding"); said != "identity" {
				t.Errorf("accepts %q", said)
			}
			w.Header().Set("Content-Encoding", coding)
			_, _ = w.Write(packed.Bytes())
		})
		got, _, err := drain(t, connect(t, url, "", "").repository(t, "a/b"), d, 0)
		if err != nil || !bytes.Equal(got, packed.Bytes()) {
			t.Errorf("%s: %d bytes, %v", coding, len(got), err)
		}
		larger := d
		larger.Size++
		_, _, err = drain(t, connect(t, url, "", "").repository(t, "a/b"), larger, 0)
		malformed(t, coding, err)
	}
}

// Whatever happens to a mount, the blob can be uploaded, unless the run ends.
func TestMountThatFails(t *testing.T) {
	real := registrytest.Start(t)
	content := []byte("content of a layer")
	d := describe(content, "")
	for name, refuse := range map[string]http.HandlerFunc{
		"400": status(400, ""), "401": status(401, ""), "403": status(403, ""), "404": status(404, ""), "405": status(405, ""),
		"500": status(500, ""), "501": status(501, ""), "503": status(503, "100"), "302": status(302, ""),
		"connection breaks": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "202 without an address": status(202, ""),
		"to another host": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/v2/")
			w.WriteHeader(http.StatusAccepted)
		},
		"digest is asked for": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Digest")
			w.WriteHeader(401)
		},
	} {
		var asked atomic.Int64
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("mount") {
				asked.Add(1)
				refuse(w, r)
				return
			}
			forward(w, r, real.URL())
		})
		r := connect(t, url, "", "").repository(t, "mirror/"+strings.ReplaceAll(name, " ", "-"))
		if done, err := r.Mount(t.Context(), d, "mirror/base"); done || err != nil || asked.Load() != 1 {
			t.Errorf("%s: %v, %v, asked %d times", name, done, err, asked.Load())
		}
		if err := r.Upload(t.Context(), d, opened(content, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The token server grants one repository at a time.
	for _, refusal := range []int{400, 401, 403, 404, 405} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch scopes := r.URL.Query()["scope"]; {
			case r.URL.Path == "/token" && len(scopes) > 1:
				w.WriteHeader(refusal)
			case r.URL.Path == "/token":
				_, _ = io.WriteString(w, `{"token":"for `+scopes[0]+`"}`)
			case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer for repository:mirror/two:pull,push"):
				w.Header().Set("WWW-Authenticate", `Bearer realm="/token"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				r.Header.Del("Authorization")
				forward(w, r, real.URL())
			}
		})
		r := connect(t, url, robot, robotSecret).repository(t, "mirror/two")
		if done, err := r.Mount(t.Context(), d, "mirror/base"); done || err != nil {
			t.Errorf("%d: %v, %v", refusal, done, err)
		}
		if err := r.Upload(t.Context(), d, opened(content, nil)); err != nil {
			t.Errorf("%d: %v", refusal, err)
		}
	}
}

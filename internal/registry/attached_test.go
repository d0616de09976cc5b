// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

// signed returns the sample with an image that has two tags of cosign and a referrer,
// the image's digest, and its attachments.
func signed(repository string) (d *quaytest.Dataset, image digest.Digest, want []registry.Attachment) {
	d = quaytest.SampleDataset()
	namespace, name, _ := strings.Cut(repository, "/")
	for i := range d.Repositories {
		r := &d.Repositories[i]
		if r.Namespace != namespace || r.Name != name {
			continue
		}
		for _, t := range r.Tags {
			if t.Name == tag && t.End.IsZero() {
				image = digest.Digest(t.Digest)
			}
		}
		add := func(content string, subject bool) registry.Attachment {
			m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/" + content,
				Config: ocispec.DescriptorEmptyJSON, Layers: []ocispec.Descriptor{ocispec.DescriptorEmptyJSON}}
			m.SchemaVersion = 2
			if subject {
				m.Subject = &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: image, Size: 1}
			}
			text, _ := json.Marshal(m)
			of := describe(text, ocispec.MediaTypeImageManifest)
			d.Manifests = append(d.Manifests, quaytest.Manifest{Repository: repository, Digest: of.Digest,
				MediaType: of.MediaType, Content: string(text)})
			if subject {
				of.ArtifactType = m.ArtifactType
			}
			return registry.Attachment{Descriptor: of}
		}
		want = append(want, add("referrer", true))
		for _, kind := range []string{".sig", ".sbom"} {
			a := add(kind, false)
			a.Tag = "sha256-" + image.Encoded() + kind
			r.Tags = append(r.Tags, quaytest.Tag{Name: a.Tag, Digest: a.Descriptor.Digest, Start: time.Unix(1_750_000_000, 0)})
			want = append(want, a)
		}
	}
	return d, image, want
}

func TestAttachments(t *testing.T) {
	for _, repository := range []string{public, private} {
		data, image, want := signed(repository)
		q, err := quaytest.NewServer(data)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		for name, test := range map[string]struct {
			spoil http.HandlerFunc // for the listing of tags
			heads int
		}{
			"listing":         {nil, 2},
			"listing refused": {status(405, ""), 3},
			// Servers that ignore the parameter "last" begin elsewhere.
			"listing from the start": {tags(tag, "latest"), 3},
			"listing out of order":   {tags(append(filler(), "a")...), 3},
			"listing that is none":   {typed("application/json", "["), 3},
		} {
			first := int32(1)
			if test.spoil == nil {
				first = 0
			}
			url, _ := front(t, q.URL(), "GET", "/tags/list", first, test.spoil)
			s := connect(t, url, robot, robotSecret)
			r := s.repository(t, repository)
			if repository == private { // so that the token is cached
				if _, err := r.Resolve(t.Context(), tag); err != nil {
					t.Fatal(err)
				}
			}
			before := s.seen.count("/manifests/")
			got, err := r.Attachments(t.Context(), image)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v %s", name, err, diff)
			}
			if n := s.seen.count("/manifests/") - before; n != test.heads {
				t.Errorf("%s: %d requests for tags, want %d", name, n, test.heads)
			}
		}
	}
}

func tags(names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", `</v2/x/tags/list?last=x>; rel="next"`)
		_ = json.NewEncoder(w).Encode(map[string]any{"tags": names})
	}
}

func filler() (names []string) {
	for i := range 16 {
		names = append(names, fmt.Sprintf("v%02d", i))
	}
	return names
}

func TestNothingIsAttached(t *testing.T) {
	s := sample(t, "", "")
	r := s.repository(t, public)
	d, err := r.Resolve(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.seen.log)
	if got, err := r.Attachments(t.Context(), d.Digest); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if n := len(s.seen.log) - before; n != 2 {
		t.Errorf("%d requests, want 2: referrers, and tags", n)
	}
	if got, err := r.Attachments(t.Context(), digest.FromString("not there")); len(got) != 0 || err != nil {
		t.Errorf("to what is not there: %v, %v", got, err)
	}
}

// Only a 404 means that there is no attachment. Any other status is an error.
func TestDeniedAttachmentsAreNotNone(t *testing.T) {
	name := digest.FromString("image")
	tag := "sha256-" + name.Encoded()
	for path, others := range map[string]int{"/referrers/": 404, "/manifests/" + tag: 404, "/manifests/" + tag + ".sig": 404, "/manifests/" + tag + ".sbom": 200} {
		for _, status := range []int{401, 403, 429, 500, 502, 503, 504, 404} {
			for _, kind := range []string{"application/json", "text/plain", "text/html", ""} {
				if status == 404 && kind == "text/html" {
					continue // a dead backend's, unless it is of the referrers
				}
				url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					code := 404
					switch {
					case strings.HasSuffix(r.URL.Path, path) || path == "/referrers/" && strings.Contains(r.URL.Path, path):
						code = status
						w.Header().Set("Content-Type", kind)
					case strings.Contains(r.URL.Path, "/referrers/"):
						code = others
						w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
					}
					w.WriteHeader(code)
					if code == 200 {
						_, _ = w.Write([]byte(`{"schemaVersion":2,"manifests":[]}`))
					}
				})
				got, err := connect(t, url, "", "").repository(t, "a/b").Attachments(t.Context(), name)
				e := new(registry.Error)
				if status == 404 && (err != nil || len(got) > 0) || status != 404 && (!errors.As(err, &e) || e.Status != status || errors.Is(err, registry.ErrNotFound)) {
					t.Errorf("%s with %d %s: %v, %v", path, status, kind, got, err)
				}
				if status == 401 && !strings.Contains(err.Error(), "log in") {
					t.Errorf("%s with %d %s: %v, which does not say what is known", path, status, kind, err)
				}
			}
		}
	}
}

// A registry without the referrers API (distribution) has referrers under the fallback
// tag, which a push updates.
func TestFallbackTag(t *testing.T) {
	s := connect(t, registrytest.Start(t).URL(), "", "")
	r := s.repository(t, "mirror/base")
	image := push(t, r, ocispec.Manifest{}, "v1", []byte("{}"), []byte("layer"))
	if got, err := r.Attachments(t.Context(), image.Digest); len(got) != 0 || err != nil {
		t.Errorf("nothing yet: %v, %v", got, err)
	}
	var want []registry.Attachment
	for _, kind := range []string{"application/one", "application/two"} {
		d := push(t, r, ocispec.Manifest{ArtifactType: kind, Subject: &image}, "", []byte("{}"))
		d.ArtifactType = kind
		want = append(want, registry.Attachment{Descriptor: d})
	}
	sig := "sha256-" + image.Digest.Encoded() + ".sig"
	want = append(want, registry.Attachment{Tag: sig, Descriptor: push(t, r, ocispec.Manifest{}, sig, []byte("{}"), []byte("signature"))})
	got, err := r.Attachments(t.Context(), image.Digest)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	// Another client finds the index.
	again := connect(t, s.url(), "", "").repository(t, "mirror/base")
	got, err = again.Attachments(t.Context(), image.Digest)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("another client: %v %s", err, diff)
	}
}

// A page in place of the index under the fallback tag comes from a dead backend
// (doc/quay-api.md section 3). It does not mean that there is no attachment, and a push
// does not replace the index by a new one.
func TestPageInPlaceOfTheFallbackTag(t *testing.T) {
	real := registrytest.Start(t)
	r := connect(t, real.URL(), "", "").repository(t, "mirror/base")
	image := push(t, r, ocispec.Manifest{}, "v1", []byte("{}"), []byte("layer"))
	first := push(t, r, ocispec.Manifest{ArtifactType: "application/one", Subject: &image}, "", []byte("{}"))
	url, _ := front(t, real.URL(), "GET", "/manifests/sha256-", 2, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
	})
	again := connect(t, url, "", "").repository(t, "mirror/base")
	if got, err := again.Attachments(t.Context(), image.Digest); err == nil || errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "page") {
		t.Errorf("%v, %v", got, err)
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/two", Subject: &image,
		Config: describe([]byte("{}"), ocispec.MediaTypeImageConfig), Layers: []ocispec.Descriptor{}}
	m.SchemaVersion = 2
	content, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	second := describe(content, m.MediaType)
	if err := again.PushManifest(t.Context(), second, content, ""); err == nil {
		t.Error("pushed, with an index that could not be read")
	}
	if err := again.PushManifest(t.Context(), second, content, ""); err != nil {
		t.Errorf("once more: %v", err)
	}
	got, err := r.Attachments(t.Context(), image.Digest)
	if err != nil || len(got) != 2 || got[0].Descriptor.Digest != first.Digest || got[1].Descriptor.Digest != second.Digest {
		t.Errorf("%+v, %v", got, err)
	}
}

// An endless list, and a list of invalid descriptors, are refused.
func TestHostileReferrers(t *testing.T) {
	d := digest.FromString("image")
	for name, one := range map[string]func(i int) string{
		"too many":       func(i int) string { return digest.FromString(fmt.Sprint(i)).String() },
		"no digest":      func(int) string { return "../../../etc/passwd" },
		"endless copies": func(int) string { return d.String() },
	} {
		page := 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/referrers/") {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			var index ocispec.Index
			many := 100
			if name == "too many" {
				many = 1500 // on one page
			}
			for range many {
				page++
				index.Manifests = append(index.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest,
					Digest: digest.Digest(one(page)), Size: 10})
			}
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			w.Header().Set("Link", "<"+r.URL.Path+">; rel=next")
			_ = json.NewEncoder(w).Encode(index)
		})
		_, err := connect(t, url, "", "").repository(t, "a/b").Attachments(t.Context(), d)
		malformed(t, name, err)
		if page > 3000 {
			t.Errorf("%s: read %d", name, page)
		}
	}
}

// Referrers and tags are requested at the same time: each answer waits for the other
// request.
func TestBothListsAtOnce(t *testing.T) {
	asked := map[string]chan struct{}{"referrers": make(chan struct{}), "tags": make(chan struct{})}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		own, other := "tags", "referrers"
		if strings.Contains(r.URL.Path, "/referrers/") {
			own, other = other, own
		}
		close(asked[own])
		select {
		case <-asked[other]:
		case <-time.After(10 * time.Second):
			t.Errorf("%s are not asked for while %s are", other, own)
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		fmt.Fprint(w, `{"schemaVersion": 2, "manifests": [], "tags": []}`)
	})
	found, err := connect(t, url, "", "").repository(t, "a/b").Attachments(t.Context(), digest.FromString("image"))
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestAttachmentTags(t *testing.T) {
	hex := strings.Repeat("0f", 32)
	for tag, want := range map[string]bool{
		"sha256-" + hex + ".sig": true, "sha256-" + hex + ".att": true, "sha256-" + hex + ".sbom": true, "sha256-" + hex: true,
		"sha512-" + hex + hex + ".sig": true, "sha256-" + hex + ".tar": false, "sha256-" + hex[1:] + ".sig": false,
		"2025.1": false, "latest": false, "sha256": false, "": false, "md5-" + hex: false, "sha256-" + strings.ToUpper(hex): false,
	} {
		if got := registry.IsAttachmentTag(tag); got != want {
			t.Errorf("%q: %v", tag, got)
		}
	}
}

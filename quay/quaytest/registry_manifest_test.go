// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest"
)

// The reasons of a missing manifest: doc/quay-api.md section 5.
func TestManifestMissing(t *testing.T) {
	p := newPulling(t)
	for _, tt := range []struct{ target, code string }{
		{"/v2/harbourline/plain/manifests/none", "MANIFEST_UNKNOWN"},
		{"/v2/harbourline/plain/manifests/sha256:" + zeros, "MANIFEST_UNKNOWN"},
		{"/v2/harbourline/plain/manifests/LATEST", "MANIFEST_UNKNOWN"},
		{"/v2/harbourline/all-deleted/manifests/2025.1", "TAG_EXPIRED"},
		{"/v2/harbourline/all-expired/manifests/2025.1", "TAG_EXPIRED"},
		{"/v2/harbourline/all-deleted/manifests/latest", "MANIFEST_UNKNOWN"}, // this tag never existed
		{"/v2/harbourline/hidden-tag/manifests/2025.1", "MANIFEST_UNKNOWN"},
		// all its tags have ended
		{"/v2/harbourline/all-deleted/manifests/sha256:19c28c1f009715f8b1d8ba07b051e72666f3cb24f64c91bb5de94ad0cb88233f", "MANIFEST_UNKNOWN"},
		// a manifest of another repository
		{"/v2/harbourline/pushed/manifests/sha256:84e97400dc21b3778d4a624bc80c92d497f01f3a54483b95093f8e03e153525a", "MANIFEST_UNKNOWN"},
	} {
		w := p.ask("GET", tt.target, "Accept", anyType)
		if w.Code != 404 || errorCode(t, w) != tt.code {
			t.Errorf("%s: %d %s, want %s", tt.target, w.Code, w.Body, tt.code)
		}
	}
	p.now = time.UnixMilli(1795359070416 - 1)
	if w := p.ask("GET", "/v2/harbourline/all-expired/manifests/2025.1", "Accept", anyType); w.Code != 200 {
		t.Errorf("a millisecond before the tag expires: %d, want 200", w.Code)
	}
}

// Every manifest is served as it was pushed, by tag and by digest, for GET and HEAD.
func TestManifestIsExact(t *testing.T) {
	p := newPulling(t)
	for _, target := range []string{
		"/v2/harbourline/plain/manifests/2024.2",
		"/v2/harbourline/multi-arch/manifests/latest",
		"/v2/harbourline/tools/inner/deep/manifests/2025.1",
		"/v2/harbourline/multi-arch/manifests/sha256:ece15641ad13935621b8168b013ff6f3fdbe3e1baf646f4f80ac7b60e340c4bb", // of an index, without a tag
		"/v2/harbourline/signed/manifests/sha256:d5b8533df3b787f9746fbf611baf867b514248b59ab8710987540fb576929f3c",     // a referrer
		"/v2/harbourline/hidden-tag/manifests/sha256:5df99fd2dbaf7686f224e84b0c9f870745da79370e6a54ffbe99850b867cf585",
	} {
		w := p.ask("GET", target, "Accept", anyType)
		sum := sha256.Sum256(w.Body.Bytes())
		want := "sha256:" + hex.EncodeToString(sum[:])
		if got := w.Header().Get("Docker-Content-Digest"); w.Code != 200 || got != want {
			t.Errorf("%s: %d, digest %s, want %s", target, w.Code, got, want)
		}
		head := p.ask("HEAD", target, "Accept", anyType)
		if d := cmp.Diff(w.Header(), head.Header()); d != "" || head.Body.Len() > 0 {
			t.Errorf("%s: HEAD differs: %s %q", target, d, head.Body)
		}
	}
}

// A manifest whose type is not in Accept is converted to schema 1, if its repository has
// the configuration: doc/quay-api.md section 5 and "Recorded".
func TestManifestAccept(t *testing.T) {
	const schema1 = "application/vnd.docker.distribution.manifest.v1+json"
	const oci, index = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	p := newPulling(t)
	for _, tt := range []struct{ target, accept, want string }{
		{"pushed", oci, oci},
		{"pushed", "text/html, " + oci + ";q=0.1", oci},
		{"pushed", strings.ToUpper(oci), oci},
		{"pushed", index, schema1},
		{"pushed", "*/*", schema1},
		{"pushed", "", schema1},
		{"pushed", "application/vnd.docker.distribution.manifest.v2+json", schema1},
		{"plain", "*/*", ""},
		{"multi-arch", index, index},
		{"multi-arch", oci, oci}, // the manifest for linux/amd64
		{"multi-arch", "application/json", schema1},
	} {
		w := p.ask("GET", "/v2/harbourline/"+tt.target+"/manifests/2025.1", "Accept", tt.accept)
		if tt.want == "" {
			if w.Code != 404 || errorCode(t, w) != "MANIFEST_UNKNOWN" || !strings.Contains(w.Body.String(), "Could not load config blob for manifest") {
				t.Errorf("%s as %q: %d %s, want 404", tt.target, tt.accept, w.Code, w.Body)
			}
			continue
		}
		if got := w.Header().Get("Content-Type"); got != tt.want {
			t.Errorf("%s as %q: %q, want %q", tt.target, tt.accept, got, tt.want)
		}
	}
	byDigest := p.ask("GET", "/v2/harbourline/pushed/manifests/sha256:9adc950e334a1566679895e74cdc5a7e125dbd03131529ca840cc822d22e6fd6", "Accept", "*/*")
	if got := byDigest.Header().Get("Content-Type"); got != oci {
		t.Errorf("by digest: %q, want it as it is", got)
	}
	w := p.ask("GET", "/v2/harbourline/multi-arch/manifests/2025.1", "Accept", oci)
	if got := w.Header().Get("Docker-Content-Digest"); got != "sha256:1043711a074cb56cffea6bb2ff1be47eac27cad7e150d730ac5ab1a4a0684727" {
		t.Errorf("index as one image: %s, want that for amd64", got)
	}
}

// A manifest whose own tags have ended can be pulled while an index that names it has a
// live tag.
func TestManifestOfIndex(t *testing.T) {
	const index, child = "sha256:aa", "sha256:bb"
	end := time.Unix(1_750_000_000, 0)
	d := harbour()
	d.Repositories[0].Tags = []quaytest.Tag{
		{Name: "amd64", Digest: child, Start: time.Unix(1_700_000_000, 0), End: end},
		{Name: "1.0", Digest: index, Start: time.Unix(1_700_000_000, 0), ManifestList: true},
	}
	d.Manifests = []quaytest.Manifest{
		{Repository: "harbour/plain", Digest: child, MediaType: "application/vnd.oci.image.manifest.v1+json", Content: `{}`},
		{Repository: "harbour/plain", Digest: index, MediaType: "application/vnd.oci.image.index.v1+json", Content: `{"manifests": [{"digest": "` + child + `"}]}`},
	}
	for _, want := range []int{200, 404} {
		h, err := quaytest.NewHandler(d)
		if err != nil {
			t.Fatal(err)
		}
		w := (&pulling{Handler: h}).ask("GET", "/v2/harbour/plain/manifests/"+child, "Accept", anyType)
		if w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
		h.Close()
		d.Repositories[0].Tags[1].End = end
	}
}

// A referrer without an artifact type has the type of its configuration. A manifest with
// another subject is not listed.
func TestReferrers(t *testing.T) {
	d := harbour()
	subject := `"subject": {"digest": "sha256:` + zeros + `"}`
	manifest := func(hex, content string) quaytest.Manifest {
		return quaytest.Manifest{Repository: "harbour/plain", Digest: digest.Digest("sha256:" + hex), MediaType: "application/vnd.oci.image.manifest.v1+json", Content: content}
	}
	d.Manifests = []quaytest.Manifest{
		manifest(zeros, `{}`),
		manifest("aa", `{"config": {"mediaType": "application/a"}, `+subject+`, "annotations": {"k": "a"}}`),
		manifest("bb", `{"artifactType": "application/b", "config": {"mediaType": "application/a"}, `+subject+`}`),
		manifest("cc", `{"subject": {"digest": "sha256:dd"}, "annotations": {"of": "sha256:`+zeros+`"}}`),
	}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p := &pulling{Handler: h}
	for filter, want := range map[string][]string{
		"":                            {"sha256:aa application/a", "sha256:bb application/b"},
		"?artifactType=":              {"sha256:aa application/a", "sha256:bb application/b"},
		"?artifactType=application/a": {"sha256:aa application/a"},
	} {
		w := p.ask("GET", "/v2/harbour/plain/referrers/sha256:"+zeros+filter)
		var index struct {
			Manifests []struct{ Digest, ArtifactType string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		var got []string
		for _, m := range index.Manifests {
			got = append(got, m.Digest+" "+m.ArtifactType)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: -want +got\n%s", filter, d)
		}
		if applied := w.Header().Get("OCI-Filters-Applied"); (applied != "") != strings.HasSuffix(filter, "a") {
			t.Errorf("%q: filters applied: %q", filter, applied)
		}
	}
}

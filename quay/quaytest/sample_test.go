// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

func sampleHandler(t testing.TB, opts ...quaytest.Option) *quaytest.Handler {
	t.Helper()
	h, err := quaytest.NewHandler(quaytest.SampleDataset(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func TestSampleIsWhatItSays(t *testing.T) {
	h := sampleHandler(t)
	const target = "namespace=" + quaytest.SampleOrganization + "&public=true&last_modified=true"
	owner := list(t, h, target, quaytest.SampleToken)
	if n := len(owner.Repositories); n < 38 || n > 48 {
		t.Errorf("%d repositories", n)
	}
	public := len(list(t, h, target, "").Repositories)
	if public != len(owner.Repositories)-1 {
		t.Errorf("%d repositories, %d of them public, want one private", len(owner.Repositories), public)
	}
	without, moved, dead := []string{}, 0, []string{}
	for _, r := range owner.Repositories {
		p := get[tagsPage](t, h, "/api/v1/repository/stackfleet/"+r.Name+"/tag/?specificTag="+quaytest.SampleTag, quaytest.SampleToken)
		switch len(p.Tags) {
		case 0:
			without = append(without, r.Name)
		case 2:
			moved++
		}
		if r.LastModified == nil {
			dead = append(dead, r.Name)
		}
	}
	if diff := cmp.Diff([]string{"murano-api", "sahara-api", "senlin-api", "solum-api"}, without); diff != "" {
		t.Errorf("without %s (-want +got):\n%s", quaytest.SampleTag, diff)
	}
	if diff := cmp.Diff([]string{"solum-api"}, dead); diff != "" {
		t.Errorf("without a live tag (-want +got):\n%s", diff)
	}
	if moved < 10 {
		t.Errorf("%d tags moved", moved)
	}
	vanish := sampleHandler(t, quaytest.WithQuirk("vanish", quaytest.SampleVanishing))
	if w := request(vanish, http.MethodGet, "/api/v1/repository/"+quaytest.SampleVanishing+"/tag/", ""); w.Code != 401 {
		t.Errorf("%s: status %d", quaytest.SampleVanishing, w.Code)
	}
}

// Everything that a tag leads to can be pulled and has the right digest.
func TestSampleCanBePulled(t *testing.T) {
	d := quaytest.SampleDataset()
	h := sampleHandler(t)
	read := func(repository, kind, reference string) []byte {
		target := "/v2/" + repository + "/" + kind + "/" + reference
		r, err := http.NewRequest(http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json")
		w := serve(h, r)
		sum := sha256.Sum256(w.Body.Bytes())
		if digest := "sha256:" + hex.EncodeToString(sum[:]); w.Code != 200 || strings.Contains(reference, ":") && digest != reference {
			t.Fatalf("%s: status %d, digest %s\n%.200s", target, w.Code, digest, w.Body)
		}
		return w.Body.Bytes()
	}
	type descriptor struct {
		Digest string
		Size   int
	}
	var pull func(repository, reference string)
	images := 0
	pull = func(repository, reference string) {
		var m struct {
			Config    descriptor
			Layers    []descriptor
			Manifests []descriptor
		}
		if err := json.Unmarshal(read(repository, "manifests", reference), &m); err != nil {
			t.Fatal(err)
		}
		for _, child := range m.Manifests {
			pull(repository, child.Digest)
		}
		for _, b := range append(m.Layers, m.Config) {
			if len(m.Manifests) == 0 && len(read(repository, "blobs", b.Digest)) != b.Size {
				t.Errorf("%s %s: wrong size", repository, b.Digest)
			}
		}
		images++
	}
	for _, r := range d.Repositories {
		for _, tag := range r.Tags {
			if r.Public && tag.End.IsZero() {
				pull(r.Namespace+"/"+r.Name, tag.Name)
			}
		}
	}
	if images < 100 {
		t.Errorf("%d images", images)
	}
}

func TestSampleIsTheSameEveryTime(t *testing.T) {
	if diff := cmp.Diff(quaytest.SampleDataset(), quaytest.SampleDataset()); diff != "" {
		t.Error(diff)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

type manifestDetail struct {
	List   bool    `json:"is_manifest_list"`
	Config *string `json:"config_media_type"`
	Layers []struct {
		Size    int64    `json:"compressed_size"`
		Command []string `json:"command"`
		Created string   `json:"created_datetime"`
	}
}

type label struct{ Key, Value string }

// Recording manifest-detail, with other manifests.
func TestManifestDetail(t *testing.T) {
	h := recordedQuay(t)
	of := func(repository, tag string) string {
		return "/api/v1/repository/" + repository + "/manifest/" + tags(t, h, repository, "onlyActiveTags=1&specificTag="+tag).Tags[0].Digest
	}
	index := get[manifestDetail](t, h, of("harbourline/multi-arch", "latest"), "")
	if !index.List || index.Config != nil || index.Layers != nil {
		t.Errorf("index: %+v", index)
	}
	image := get[manifestDetail](t, h, of("harbourline/signed", "2025.1"), "")
	if len(image.Layers) != 2 || image.Layers[1].Size != 1173 || image.Layers[1].Created != "Thu, 01 Jan 2026 00:00:00 -0000" {
		t.Errorf("image: %+v", image)
	}
	for target, want := range map[string]int{
		of("harbourline/read-only", "2025.1"):                     404, // the repository lacks the configuration
		of("harbourline/multi-arch", "latest") + "/labels":        200,
		of("harbourline/many-tags", "v1.7.0") + "/labels":         404, // the repository lacks the manifest
		"/api/v1/repository/harbourline/plain/manifest/nonsense":  401, // read as a repository of that name
		"/api/v1/repository/harbourline/hidden/manifest/sha256:0": 401,
	} {
		if w := request(h, http.MethodGet, target, ""); w.Code != want {
			t.Errorf("%s: status %d, want %d", target, w.Code, want)
		}
	}
	sample := sampleHandler(t)
	labels := get[struct{ Labels []label }](t, sample, "/api/v1/repository/stackfleet/keystone/manifest/"+
		tags(t, sample, "stackfleet/keystone", "specificTag=2024.1").Tags[0].Digest+"/labels", "")
	if diff := cmp.Diff([]label{{"org.opencontainers.image.version", "2024.1"}}, labels.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// Steps without a layer have the empty layer, a configuration counts only in the
// repository that has it, and annotations are labels (image/oci/manifest.py of Quay's
// source).
func TestManifestDetailReadsTheConfiguration(t *testing.T) {
	config := []byte(`{"history": [{"created_by": "one"}, {"created_by": "none", "empty_layer": true}, ` +
		`{"created_by": "two", "created": "2026-01-02T03:04:05Z"}], "config": {"Labels": {"z": "{}", "a": "{", "": "no"}}}`)
	const text = `{"config": {"digest": "sha256:c0", "mediaType": "application/vnd.oci.image.config.v1+json"}, "annotations": {"a": "[1]", "b": "note"},
		"layers": [{"digest": "sha256:11", "size": 3}, {"digest": "sha256:12", "size": 4}]}`
	live := []quaytest.Tag{{Name: "v1", Digest: "sha256:aa", Start: time.Unix(1, 0)}}
	d := &quaytest.Dataset{
		Users:        []quaytest.User{{Name: "u", Enabled: true}},
		Repositories: []quaytest.Repository{{Namespace: "u", Name: "r", Public: true, Tags: live}, {Namespace: "u", Name: "s", Public: true, Tags: live}},
		Manifests:    []quaytest.Manifest{{Repository: "u/r", Digest: "sha256:aa", MediaType: ociManifestType, Content: text}, {Repository: "u/s", Digest: "sha256:aa", MediaType: ociManifestType, Content: text}},
		Blobs: []quaytest.Blob{{Repository: "u/r", Digest: "sha256:c0", Data: config},
			{Repository: "u/r", Digest: "sha256:11"}, {Repository: "u/r", Digest: "sha256:12"}, {Repository: "u/s", Digest: "sha256:11"}, {Repository: "u/s", Digest: "sha256:12"}},
	}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p := get[manifestDetail](t, h, "/api/v1/repository/u/r/manifest/sha256:aa", "")
	if len(p.Layers) != 3 || p.Layers[0].Command[0] != "one" || p.Layers[1].Size != 32 || p.Layers[2].Command[0] != "two" || p.Layers[2].Created != "Fri, 02 Jan 2026 03:04:05 -0000" {
		t.Errorf("%+v", p)
	}
	type labels struct {
		Labels []struct {
			Key  string
			Type string `json:"media_type"`
		}
	}
	want := labels{[]struct {
		Key  string
		Type string `json:"media_type"`
	}{{"z", "application/json"}, {"a", "application/json"}, {"b", "text/plain"}}}
	if diff := cmp.Diff(want, get[labels](t, h, "/api/v1/repository/u/r/manifest/sha256:aa/labels", "")); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if filtered := get[labels](t, h, "/api/v1/repository/u/r/manifest/sha256:aa/labels?filter=b", ""); len(filtered.Labels) != 1 || filtered.Labels[0].Key != "b" {
		t.Errorf("filtered labels: %+v", filtered)
	}
	one := get[struct{ Labels []struct{ ID string } }](t, h, "/api/v1/repository/u/r/manifest/sha256:aa/labels", "").Labels[0].ID
	for id, want := range map[string]int{one: 200, "nonsense": 404} {
		if w := request(h, http.MethodGet, "/api/v1/repository/u/r/manifest/sha256:aa/labels/"+id, ""); w.Code != want {
			t.Errorf("label %s: %d, want %d", id, w.Code, want)
		}
	}
	if w := request(h, http.MethodGet, "/api/v1/repository/u/s/manifest/sha256:aa", ""); w.Code != 404 {
		t.Errorf("configuration of another repository: status %d", w.Code)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		of("harbourline/read-only", "2025.1"):                     404, // the server has not its configuration
		of("harbourline/multi-arch", "latest") + "/labels":        200,
		of("harbourline/many-tags", "v1.7.0") + "/labels":         404, // nor this manifest
		"/api/v1/repository/harbourline/plain/manifest/nonsense":  401, // a repository of that name
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

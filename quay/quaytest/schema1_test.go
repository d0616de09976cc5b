// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestSchema1 converts images with other histories than the recorded image (recording
// registry-manifest has the bytes of that one; the rules are from image/oci/manifest.py
// and image/oci/config.py).
func TestSchema1(t *testing.T) {
	layer := []byte("layer")
	for _, c := range []struct {
		config  string
		layers  int // of the answer
		leaf    string
		message string // of the error
	}{
		{`{"os":"linux","author":"me","history":[{"created_by":"a","author":"a"},{"created_by":"ENV é","empty_layer":true}]}`, 2,
			`{"os": "linux", "author": "me", "id": "ID", "parent": "ID", "throwaway": true, "container_config": {"Cmd": ["ENV \u00e9"]}, "Size": 32}`, ""},
		{`{"created":"2026-01-01T00:00:00Z","config":{"Cmd":["sh","-c"]}}`, 1,
			`{"created": "2026-01-01T00:00:00Z", "config": {"Cmd": ["sh", "-c"]}, "id": "ID", "container_config": {"Cmd": [["sh", "-c"]]}, "Size": 5}`, ""},
		{`{"rootfs":{},"n":[1,2.5,null,{"b":true,"a":"\u0001"}],"history":[{"comment":"c"}]}`, 1,
			`{"n": [1, 2.5, null, {"b": true, "a": "\u0001"}], "id": "ID", "comment": "c", "container_config": {"Cmd": [null]}, "Size": 5}`, ""},
		{`{"history":[{},{}]}`, 0, "", "Missing history entry #1"},
		{`{"history":[{"empty_layer":true}]}`, 1, `{"id": "ID", "throwaway": true, "container_config": {"Cmd": [null]}, "Size": 32}`, ""},
		{`{"history":7}`, 0, "", "config data does not match schema"},
		{`[]`, 0, "", "config data does not match schema"},
		{`{`, 0, "", "malformed config data"},
	} {
		p := newPushing(t)
		p.as("alice", "right", "destharbour/app:pull,push")
		p.blob("destharbour/app", []byte(c.config))
		p.blob("destharbour/app", layer)
		m := manifest([]byte(c.config), layer, "")
		p.want(201, "OK", "PUT", "/v2/destharbour/app/manifests/v1", m, "Content-Type", ociManifestType)
		w := p.do("GET", "/v2/destharbour/app/manifests/v1", nil)
		if c.message != "" {
			if w.Code != 404 || !strings.Contains(w.Body.String(), c.message) {
				t.Errorf("%s: %d %s, want 404 %s", c.config, w.Code, w.Body, c.message)
			}
			continue
		}
		var got struct {
			Name    string
			History []struct{ V1Compatibility string }
			Layers  []struct{ BlobSum string } `json:"fsLayers"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Layers) != c.layers || len(got.History) != c.layers || got.Name != "destharbour/app" {
			t.Errorf("%s: %v %s", c.config, err, w.Body)
			continue
		}
		var ids struct{ ID, Parent string }
		_ = json.Unmarshal([]byte(got.History[0].V1Compatibility), &ids)
		leaf := strings.NewReplacer(ids.ID, "ID", fmt.Sprintf("%q", ids.Parent), `"ID"`).Replace(got.History[0].V1Compatibility)
		if len(ids.ID) != 64 || leaf != c.leaf {
			t.Errorf("%s:\n%s, want\n%s", c.config, leaf, c.leaf)
		}
		if digest := w.Header().Get("Docker-Content-Digest"); digest != sum(w.Body.Bytes()) {
			t.Errorf("the digest is %s", digest)
		}
	}
}

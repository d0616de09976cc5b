// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/internal/manifest"
)

const (
	image = "application/vnd.oci.image.manifest.v1+json"
	index = "application/vnd.oci.image.index.v1+json"
	one   = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	two   = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

func TestParse(t *testing.T) {
	m, err := manifest.Parse(image, []byte(`{"schemaVersion":2,
		"config":{"mediaType":"c","digest":"`+one+`","size":1},
		"layers":[{"mediaType":"l","digest":"`+two+`","size":2},{"mediaType":"l","digest":"`+two+`","size":2},
		{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"`+one+`","size":3}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range m.Blobs() {
		got = append(got, string(d.Digest))
	}
	if diff := cmp.Diff([]string{one, two}, got); diff != "" {
		t.Errorf("blobs are not each once: %s", diff)
	}
	m, err = manifest.Parse(index, []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"`+image+`","digest":"`+one+`","size":1}]}`))
	if err != nil || !m.IsIndex() || len(m.Children) != 1 || m.Blobs() != nil {
		t.Errorf("index is %+v, %v", m, err)
	}
}

func TestParseRefuses(t *testing.T) {
	descriptor := func(digest string, size string) string {
		return `{"mediaType":"c","digest":"` + digest + `","size":` + size + `}`
	}
	for name, test := range map[string]struct{ mediaType, content, want string }{
		"schema 1":        {"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, "media type"},
		"other schema":    {image, `{"schemaVersion":1}`, "schema version 1"},
		"no JSON":         {image, `<html>`, "parsed"},
		"no config":       {image, `{"schemaVersion":2,"layers":[]}`, "no configuration"},
		"another type":    {image, `{"schemaVersion":2,"mediaType":"` + index + `"}`, "but was served as"},
		"both at once":    {image, `{"schemaVersion":2,"config":` + descriptor(one, "1") + `,"manifests":[]}`, "must not list"},
		"index of layers": {index, `{"schemaVersion":2,"layers":[]}`, "must not have"},
		"path as digest":  {image, `{"schemaVersion":2,"config":` + descriptor("../../../etc/passwd", "1") + `}`, "etc/passwd"},
		"digest too short": {index, `{"schemaVersion":2,"manifests":[` + descriptor("sha256:12", "1") + `]}`,
			"digest"},
		"negative size": {image, `{"schemaVersion":2,"config":` + descriptor(one, "-1") + `}`, "negative"},
		"endless":       {index, `{"schemaVersion":2,"manifests":[` + strings.Repeat(descriptor(one, "1")+",", 20_000) + descriptor(one, "1") + `]}`, "entries"},
		"too large":     {index, strings.Repeat(" ", manifest.MaxSize+1), "limit"},
	} {
		_, err := manifest.Parse(test.mediaType, []byte(test.content))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, and does not say %q", name, err, test.want)
		}
		if unsupported := strings.Contains(name, "schema"); errors.Is(err, manifest.ErrUnsupported) != unsupported {
			t.Errorf("%s: is unsupported: %v", name, !unsupported)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(image, []byte(`{"schemaVersion":2,"config":{"mediaType":"c","digest":"`+one+`","size":1},"layers":[]}`))
	f.Add(index, []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"`+image+`","digest":"`+one+`","size":1}]}`))
	f.Fuzz(func(t *testing.T, mediaType string, content []byte) {
		m, err := manifest.Parse(mediaType, content)
		if err != nil {
			return
		}
		for _, d := range append(m.Blobs(), m.Children...) {
			if strings.ContainsAny(string(d.Digest), `/\.`) || d.Size < 0 {
				t.Errorf("let through %+v", d)
			}
		}
	})
}

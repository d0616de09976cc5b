// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

func TestOpenMakesALayout(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"missing": func(string) error { return nil },
		"empty":   func(dir string) error { return os.MkdirAll(dir, 0o755) },
		"cut short after the lock": func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, ".quayside"), 0o755)
		},
		"cut short after oci-layout": func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755),
				os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir, layout.Options{})
			if l.Dir() != dir {
				t.Errorf("folder is %s", l.Dir())
			}
			var version ocispec.ImageLayout
			b, err := os.ReadFile(filepath.Join(dir, "oci-layout"))
			if err := errors.Join(err, json.Unmarshal(b, &version)); err != nil || version.Version != "1.0.0" {
				t.Errorf("oci-layout is %s, %v", b, err)
			}
			x := readIndex(t, dir)
			if x.SchemaVersion != 2 || x.MediaType != ocispec.MediaTypeImageIndex || x.Manifests == nil || len(x.Manifests) > 0 {
				t.Errorf("index is %+v", x)
			}
			if free, err := l.Free(); err != nil || free <= 0 {
				t.Errorf("free: %d, %v", free, err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	const version, empty = `{"imageLayoutVersion":"1.0.0"}`, `{"schemaVersion":2,"manifests":[]}`
	for name, test := range map[string]struct {
		files     map[string]string
		notLayout bool
		want      string
	}{
		"other files":      {map[string]string{"letter.txt": "dear"}, true, "oci-layout"},
		"index alone":      {map[string]string{"index.json": empty}, true, "oci-layout"},
		"other version":    {map[string]string{"oci-layout": `{"imageLayoutVersion":"2.0.0"}`, "index.json": empty}, false, "2.0.0"},
		"no version":       {map[string]string{"oci-layout": "hello", "index.json": empty}, false, "oci-layout"},
		"index is gone":    {map[string]string{"oci-layout": version, "blobs/sha256/00": "x"}, false, "index.json"},
		"index is cut":     {map[string]string{"oci-layout": version, "index.json": empty[:20]}, false, "index.json"},
		"index is null":    {map[string]string{"oci-layout": version, "index.json": "null"}, false, "index.json"},
		"schema 1":         {map[string]string{"oci-layout": version, "index.json": `{"schemaVersion":1}`}, false, "schema"},
		"no list":          {map[string]string{"oci-layout": version, "index.json": `{"schemaVersion":2}`}, false, "no list of manifests"},
		"no real list":     {map[string]string{"oci-layout": version, "index.json": `{"schemaVersion":2,"manifests":{}}`}, false, "not a JSON array"},
		"index is endless": {map[string]string{"oci-layout": version, "index.json": strings.Repeat(" ", 17<<20) + empty}, false, "larger"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.files {
				writeFile(t, filepath.Join(dir, name), []byte(text))
			}
			_, err := layout.Open(dir, layout.Options{})
			if err == nil || errors.Is(err, layout.ErrNotLayout) != test.notLayout || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v; want it to say %q", err, test.want)
			}
			for name, text := range test.files {
				if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != text {
					t.Errorf("%s was changed: %.100q, %v", name, b, err)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, ".quayside")); test.notLayout && err == nil {
				t.Error("it left its folder in somebody's folder")
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	if _, err := layout.Open(file, layout.Options{}); !errors.Is(err, layout.ErrNotLayout) || !strings.Contains(err.Error(), "it is a file") {
		t.Errorf("a file: %v", err)
	}
	if _, err := layout.Open(os.DevNull, layout.Options{}); !errors.Is(err, layout.ErrNotLayout) || strings.Contains(err.Error(), "it is a file") {
		t.Errorf("a device: %v", err)
	}
}

// TestOthersEntriesStay changes an index with entries as skopeo, containerd and oras write
// them.
func TestOthersEntriesStay(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	m := newImage(content(1, 100))
	put(t, l, m, "")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	entry := func(more string) string {
		return `{ "mediaType":"application/vnd.oci.image.manifest.v1+json", "digest":` + jsonOf(t, m.root.Digest) + `, "size":` +
			jsonOf(t, m.root.Size) + more + `}`
	}
	foreign := []string{
		entry(``),
		entry(`, "annotations":{"org.opencontainers.image.ref.name":"latest","<&>":"\u003c"}`),
		entry(`, "annotations":{"org.opencontainers.image.ref.name":"1","io.containerd.image.name":"docker.io/library/x:1"},"more":[1.50]`),
	}
	named := func(name string) string {
		return entry(`,"annotations":{"org.opencontainers.image.ref.name":"` + name + `"}`)
	}
	full := []string{named("quay.io/org/d:1"), named("quay.io/org/b:1"), named("quay.io/org/b:1")}
	writeFile(t, filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"annotations":{"a":"b"},"zz":{"k": 1e3},"manifests":[`+
		strings.Join(slices.Concat(foreign, full), ",")+`]}`))

	l = open(t, dir, layout.Options{})
	if images := l.Images(); len(images) != 2 || images[0].Name != "quay.io/org/b:1" || images[1].Name != "quay.io/org/d:1" {
		t.Errorf("images are %+v", images)
	}
	for _, name := range []string{"quay.io/org/c:1", "quay.io/org/a:1", "quay.io/org/b:1"} {
		put(t, l, m, name)
	}
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range append(foreign, `"annotations":{"a":"b"}`, `"zz":{"k": 1e3}`) {
		if !strings.Contains(string(b), raw) {
			t.Errorf("%s is gone from %s", raw, b)
		}
	}
	var names []string
	var x ocispec.Index
	if err := json.Unmarshal(b, &x); err != nil {
		t.Fatal(err)
	}
	for _, e := range x.Manifests {
		names = append(names, e.Annotations["org.opencontainers.image.ref.name"]+" "+e.Annotations["io.containerd.image.name"])
	}
	if diff := cmp.Diff([]string{" ", "latest ", "1 docker.io/library/x:1", "quay.io/org/a:1 quay.io/org/a:1",
		"quay.io/org/b:1 quay.io/org/b:1", "quay.io/org/c:1 quay.io/org/c:1", "quay.io/org/d:1 "}, names); diff != "" {
		t.Error(diff)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	shared := content(1, 1000)
	kept, gone := newIndex(newImage(shared, content(2, 100)), newImage(shared)), newImage(shared, content(3, 100))
	put(t, l, kept, "quay.io/org/kept:1")
	put(t, l, gone, "quay.io/org/gone:1")
	if err := l.Untag(t.Context(), "quay.io/org/gone:1"); err != nil {
		t.Fatal(err)
	}
	part := content(4, 5000)
	p := begin(t, l, describe("", part), 0)
	write(t, p, part[:700])
	if _, err := layout.Collect(t.Context(), dir, true); !errors.Is(err, layout.ErrLocked) {
		t.Errorf("while it is in use: %v", err)
	}
	if err := errors.Join(p.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	// Left by a kill, and files of others.
	writeFile(t, filepath.Join(workFolder(t, dir), "new-x"), make([]byte, 30))
	others := []string{"letter.txt", ".quayside/letter.txt", ".quayside/temporary/index.json", ".quayside/partial/sha256-" + part256, "blobs/sha256/README", "blobs/sha256/" + part256 + ".tmp", "blobs/blake3/" + part256, "ingest/x"}
	for _, name := range others {
		writeFile(t, filepath.Join(dir, name), []byte("x"))
	}

	want := layout.Collected{Partials: 2, Bytes: 730, Kept: len(kept.blobs)}
	for d, b := range gone.blobs {
		if kept.blobs[d] == nil {
			want.Blobs = append(want.Blobs, d)
			want.Bytes += int64(len(b))
		}
	}
	slices.Sort(want.Blobs)
	for _, dry := range []bool{true, true, false} {
		got, err := layout.Collect(t.Context(), dir, dry)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("dry %v: %s", dry, diff)
		}
	}
	got, err := layout.Collect(t.Context(), dir, false)
	if diff := cmp.Diff(layout.Collected{Kept: len(kept.blobs)}, got); diff != "" || err != nil {
		t.Errorf("once more: %s, %v", diff, err)
	}
	if report := verify(t, dir, layout.VerifyOptions{}); len(report.Damaged) > 0 || report.Blobs != len(kept.blobs) {
		t.Errorf("verify: %+v", report)
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

const part256 = "1111111111111111111111111111111111111111111111111111111111111111"

// TestCollectWhenNotAllIsKnown: if it is not known what an image needs, nothing is removed.
func TestCollectWhenNotAllIsKnown(t *testing.T) {
	one, two := newImage(content(1, 100)), newImage(content(2, 100))
	both := newIndex(one, two)
	foreign := func(t *testing.T, dir string) { setIndex(t, dir, both.root) }
	damage := func(d digest.Digest) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeFile(t, blobFile(dir, d), []byte("x")) }
	}
	remove := func(d digest.Digest) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(blobFile(dir, d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		do      []func(*testing.T, string)
		sparse  bool
		refuses bool
	}{
		"all is there":              {nil, false, false},
		"a layer is missing":        {[]func(*testing.T, string){remove(digest.FromBytes(content(1, 100)))}, false, false},
		"a manifest is missing":     {[]func(*testing.T, string){remove(one.root.Digest)}, false, true},
		"a manifest is damaged":     {[]func(*testing.T, string){damage(one.root.Digest)}, false, true},
		"the index is missing":      {[]func(*testing.T, string){remove(both.root.Digest)}, false, true},
		"a kept one is missing":     {[]func(*testing.T, string){remove(one.root.Digest)}, true, true},
		"another tool's lacks one":  {[]func(*testing.T, string){foreign, remove(one.root.Digest)}, false, false},
		"another tool's is damaged": {[]func(*testing.T, string){foreign, damage(one.root.Digest)}, false, true},
		"another tool's of an unknown format": {[]func(*testing.T, string){func(t *testing.T, dir string) {
			d := both.root
			d.MediaType = "application/vnd.oci.artifact.manifest.v1+json"
			setIndex(t, dir, d)
		}}, false, false},
		"something that is no manifest": {[]func(*testing.T, string){func(t *testing.T, dir string) {
			setIndex(t, dir, both.root, describe(ocispec.MediaTypeImageManifest, content(2, 100)))
		}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, layout.Options{})
			unused := content(9, 50)
			put(t, l, both, "")
			if err := l.Put(t.Context(), describe("", unused), unused); err != nil {
				t.Fatal(err)
			}
			d := both.root
			if test.sparse {
				d.Annotations = map[string]string{layout.AnnotationIndex: layout.SparseIndex}
			}
			if err := errors.Join(l.Tag(t.Context(), layout.Entry{Name: "quay.io/org/both:1", Descriptor: d}), l.Close()); err != nil {
				t.Fatal(err)
			}
			for _, do := range test.do {
				do(t, dir)
			}
			before := len(blobFiles(t, dir))
			got, err := layout.Collect(t.Context(), dir, false)
			if (err != nil) != test.refuses {
				t.Errorf("error is %v", err)
			}
			if after := len(blobFiles(t, dir)); test.refuses && after != before {
				t.Errorf("it refused, and %d of %d blobs are left", after, before)
			}
			if _, err := os.Stat(blobFile(dir, digest.FromBytes(unused))); (err == nil) != test.refuses {
				t.Errorf("what nothing needs: %v", err)
			}
			if !test.refuses && len(got.Blobs) == 0 {
				t.Error("it found nothing")
			}
			if _, err := os.Stat(blobFile(dir, digest.FromBytes(content(2, 100)))); err != nil {
				t.Errorf("it removed what an image needs: %v", err)
			}
		})
	}
}

// TestCollectKeepsForeignLayers: layers that registries do not distribute are kept if they
// are there, and are not damage if they are not.
func TestCollectKeepsForeignLayers(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	m := image{blobs: map[digest.Digest][]byte{}}
	config := m.add(ocispec.MediaTypeImageConfig, []byte("{}"))
	there := m.add("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", []byte("windows"))
	missing := describe("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", []byte("more windows"))
	m.root = m.add(ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"config":`+jsonOf(t, config)+`,"layers":[`+jsonOf(t, there)+","+jsonOf(t, missing)+`]}`))
	put(t, l, m, "quay.io/org/windows:1")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := layout.Collect(t.Context(), dir, false); err != nil || got.Kept != 3 || len(got.Blobs) > 0 {
		t.Errorf("collected %+v, %v", got, err)
	}
	if report := verify(t, dir, layout.VerifyOptions{}); len(report.Damaged) > 0 {
		t.Errorf("damage is %+v", report.Damaged)
	}
}

func blobFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

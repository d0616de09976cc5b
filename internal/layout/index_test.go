// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/internal/layout"
)

// TestInvalidEntry: an entry that is not a valid descriptor stays unchanged in the file, is
// named by Verify, and affects no other image.
func TestInvalidEntry(t *testing.T) {
	good := newImage(content(1, 100))
	digest, mediaType := jsonOf(t, good.root.Digest), `"application/vnd.oci.image.manifest.v1+json"`
	const name = `"annotations":{"org.opencontainers.image.ref.name":"quay.io/org/odd:1"}`
	for entry, test := range map[string]struct {
		image    string // how Verify names it
		collects bool   // Collect knows what the entry needs
	}{
		`null`:   {"entry 0", false},
		`"text"`: {"entry 0", false},
		`[]`:     {"entry 0", false},
		`{"digest":"` + strings.Repeat("x", 1000) + `"}`: {"entry 0", false},
		`{}`:                                   {"entry 0", false},
		`{"digest":5,"size":1}`:                {"entry 0", false},
		`{"digest":"sha256:../../x","size":1}`: {"sha256:../../x", false},
		`{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1}`:                                              {"md5:d41d8cd98f00b204e9800998ecf8427e", false},
		`{"digest":"sha256:abc","size":1,` + name + `}`:                                                           {"quay.io/org/odd:1", false},
		`{"mediaType":` + mediaType + `,"digest":` + digest + `,"size":-1,` + name + `}`:                          {"quay.io/org/odd:1", true},
		`{"mediaType":` + mediaType + `,"digest":` + digest + `,"size":"1",` + name + `}`:                         {"quay.io/org/odd:1", true},
		`{"mediaType":` + mediaType + `,"digest":` + digest + `,"size":1e400}`:                                    {string(good.root.Digest), true},
		`{"mediaType":5,"digest":` + digest + `,"size":1}`:                                                        {string(good.root.Digest), true},
		`{"mediaType":` + mediaType + `,"digest":` + digest + `,"size":1,"platform":"linux"}`:                     {string(good.root.Digest), true},
		`{"mediaType":` + mediaType + `,"digest":` + digest + `,"size":1,"annotations":["x"]}`:                    {string(good.root.Digest), true},
		`{"mediaType":` + mediaType + `,"digest":` + digest + `,"size":1,"urls":"x","annotations":{"one":"two"}}`: {string(good.root.Digest), true},
	} {
		t.Run(entry, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, layout.Options{})
			put(t, l, good, "")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			index := filepath.Join(dir, "index.json")
			writeFile(t, index, []byte(`{"schemaVersion":2,"manifests":[`+entry+`]}`))
			l = open(t, dir, layout.Options{})
			if images := l.Images(); len(images) > 0 {
				t.Errorf("images are %+v", images)
			}
			put(t, l, newImage(content(2, 100)), "quay.io/org/a:1")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(index); err != nil || !strings.Contains(string(text), "["+entry+",{") {
				t.Errorf("index is %s, %v", text, err)
			}
			report := verify(t, dir, layout.VerifyOptions{Repair: true})
			if report.Images != 2 || len(report.Damaged) != 1 || len(report.Removed)+len(report.Moved) > 0 ||
				!strings.HasPrefix(report.Damaged[0].Image, test.image) || !strings.Contains(report.Damaged[0].What, "invalid") {
				t.Errorf("verify: %+v", report)
			}
			before := blobFiles(t, dir)
			if _, err := layout.Collect(t.Context(), dir, false); (err == nil) != test.collects {
				t.Errorf("collect: %v", err)
			}
			if diff := cmp.Diff(before, blobFiles(t, dir)); diff != "" {
				t.Errorf("collect removed what the entry may need:\n%s", diff)
			}
			if !strings.Contains(test.image, "/odd") {
				return
			}
			l = open(t, dir, layout.Options{})
			put(t, l, good, "quay.io/org/odd:1")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if report := verify(t, dir, layout.VerifyOptions{}); report.Images != 2 || len(report.Damaged) > 0 {
				t.Errorf("after the image was copied again: %+v", report)
			}
		})
	}
}

// TestCopiedStagingFolder: a copy of a staging folder is a user's, whatever mark is in
// it. A staging folder whose parent was renamed is still quayside's.
func TestCopiedStagingFolder(t *testing.T) {
	o := layout.Options{Staging: "oci-archive:"}
	top := filepath.Join(t.TempDir(), "top")
	dir := filepath.Join(top, "x.tar.partial")
	l := open(t, dir, o)
	put(t, l, newImage(content(1, 100)), "quay.io/org/a:1")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(top, "y.tar.partial")
	moved := filepath.Join(filepath.Dir(top), "moved")
	if err := errors.Join(os.CopyFS(backup, os.DirFS(dir)), os.Rename(top, moved)); err != nil {
		t.Fatal(err)
	}
	backup, dir = filepath.Join(moved, "y.tar.partial"), filepath.Join(moved, "x.tar.partial")
	before := tree(t, backup)
	for name, want := range map[string]int{dir: 1, backup: 0} {
		l := open(t, name, o)
		if (l.Dir() == name) != (want == 1) || len(l.Images()) != want {
			t.Errorf("%s: %s has %+v", name, l.Dir(), l.Images())
		}
		if err := l.Remove(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(before, tree(t, backup)); diff != "" {
		t.Errorf("the copy changed (-before +after):\n%s", diff)
	}
	if left, err := os.ReadDir(moved); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

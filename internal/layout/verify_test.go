// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

func verify(t *testing.T, dir string, o layout.VerifyOptions) layout.VerifyReport {
	t.Helper()
	report, err := layout.Verify(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// setIndex replaces index.json by one of these entries, as another tool would.
func setIndex(t *testing.T, dir string, entries ...ocispec.Descriptor) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": entries})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "index.json"), b)
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	shared := content(1, 300_000)
	a, b := newImage(shared, content(2, 1000)), newImage(shared, content(3, 1000))
	both := newIndex(a, b)
	put(t, l, both, "quay.io/org/both:1")
	put(t, l, a, "quay.io/org/a:1")
	var bytes int64
	for _, b := range both.blobs {
		bytes += int64(len(b))
	}
	var done, total []int64
	report := verify(t, dir, layout.VerifyOptions{Progress: func(d, n int64) { done, total = append(done, d), append(total, n) }})
	if report.Elapsed <= 0 {
		t.Error("it took no time")
	}
	report.Elapsed = 0
	if diff := cmp.Diff(layout.VerifyReport{Images: 2, Blobs: len(both.blobs), Bytes: bytes}, report); diff != "" {
		t.Error(diff)
	}
	if len(done) == 0 || done[len(done)-1] != bytes || total[0] != bytes || !slices.IsSorted(done) {
		t.Errorf("progress is %v of %v", done, total)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// One blob of each kind of damage.
	sharedDigest, last, config := digest.FromBytes(shared), digest.FromBytes(content(3, 1000)), digest.Digest("")
	var m ocispec.Manifest
	if err := json.Unmarshal(b.blobs[b.root.Digest], &m); err != nil {
		t.Fatal(err)
	}
	config = m.Config.Digest
	flipped := slices.Clone(shared)
	flipped[200_000] ^= 1
	writeFile(t, blobFile(dir, sharedDigest), flipped)
	writeFile(t, blobFile(dir, last), content(3, 1000)[:10])
	if err := os.Remove(blobFile(dir, config)); err != nil {
		t.Fatal(err)
	}
	want := []layout.Damage{
		{Image: "quay.io/org/a:1", Digest: sharedDigest, Size: 300_000, What: "content does not match its digest"},
		{Image: "quay.io/org/both:1", Digest: sharedDigest, Size: 300_000, What: "content does not match its digest"},
		{Image: "quay.io/org/both:1", Digest: last, Size: 1000, What: "size is 10, not 1000"},
		{Image: "quay.io/org/both:1", Digest: config, Size: m.Config.Size, What: "missing"},
	}
	slices.SortFunc(want[1:], func(a, b layout.Damage) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	report = verify(t, dir, layout.VerifyOptions{Repair: true})
	if diff := cmp.Diff(want, report.Damaged); diff != "" {
		t.Error(diff)
	}
	removed := []digest.Digest{sharedDigest, last}
	slices.Sort(removed)
	if diff := cmp.Diff(removed, report.Removed); diff != "" {
		t.Error(diff)
	}
	for i := range want {
		want[i].What = "missing"
	}
	if diff := cmp.Diff(want, verify(t, dir, layout.VerifyOptions{}).Damaged); diff != "" {
		t.Errorf("after the repair: %s", diff)
	}
	l = open(t, dir, layout.Options{})
	put(t, l, both, "")
	if report := verify(t, dir, layout.VerifyOptions{}); len(report.Damaged) > 0 {
		t.Errorf("after another copy: %+v", report.Damaged)
	}
}

func TestVerifySparseIndex(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	here, lost, left := newImage(content(1, 100)), newImage(content(2, 100)), newImage(content(3, 100))
	x := newIndex(here, lost, left)
	put(t, l, newIndex(here, lost), "")
	if err := l.Put(t.Context(), x.root, x.blobs[x.root.Digest]); err != nil {
		t.Fatal(err)
	}
	d := x.root
	d.Annotations = map[string]string{layout.AnnotationIndex: layout.SparseIndex}
	if err := l.Tag(t.Context(), layout.Entry{Name: "quay.io/org/sparse:1", Descriptor: d}); err != nil {
		t.Fatal(err)
	}
	if report := verify(t, dir, layout.VerifyOptions{}); len(report.Damaged) > 0 || report.Images != 1 || report.Blobs != 7 {
		t.Errorf("what was left out on purpose: %+v", report)
	}
	// The same index under another name, all of which should be there.
	if err := l.Tag(t.Context(), layout.Entry{Name: "quay.io/org/whole:1", Descriptor: x.root}); err != nil {
		t.Fatal(err)
	}
	missing := layout.Damage{Image: "quay.io/org/whole:1", Digest: left.root.Digest, Size: left.root.Size, What: "missing"}
	if diff := cmp.Diff([]layout.Damage{missing}, verify(t, dir, layout.VerifyOptions{}).Damaged); diff != "" {
		t.Error(diff)
	}
	// What was there when it was tagged, and is lost since.
	if err := errors.Join(l.Untag(t.Context(), "quay.io/org/whole:1"), l.Delete(lost.root.Digest)); err != nil {
		t.Fatal(err)
	}
	missing = layout.Damage{Image: "quay.io/org/sparse:1", Digest: lost.root.Digest, Size: lost.root.Size, What: "missing"}
	if diff := cmp.Diff([]layout.Damage{missing}, verify(t, dir, layout.VerifyOptions{}).Damaged); diff != "" {
		t.Error(diff)
	}
}

// TestVerifyHostileLayout: manifests that try to mislead Verify.
func TestVerifyHostileLayout(t *testing.T) {
	const index = ocispec.MediaTypeImageIndex
	for name, test := range map[string]struct {
		make func(m *image) ocispec.Descriptor // returns the root
		want string                            // of the one damage; "" is none
	}{
		"digest is a path": {func(m *image) ocispec.Descriptor {
			return m.add(index, []byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../../etc/passwd","size":1}]}`))
		}, "unreadable: digest"},
		"no manifest": {func(m *image) ocispec.Descriptor { return m.add(index, []byte("<html>")) }, "unreadable: "},
		"huge":        {func(m *image) ocispec.Descriptor { return m.add(index, make([]byte, 5<<20)) }, "unreadable: "},
		"of another kind": {func(m *image) ocispec.Descriptor {
			return m.add("application/vnd.docker.distribution.manifest.v1+prettyjws", []byte("{}"))
		}, "unreadable: unsupported"},
		"leads to itself, as far as its name goes": {func(m *image) ocispec.Descriptor {
			self := digest.FromString("self")
			m.blobs[self] = []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"` + index + `","digest":"` + string(self) + `","size":1}]}`)
			return ocispec.Descriptor{MediaType: index, Digest: self, Size: int64(len(m.blobs[self]))}
		}, "content does not match its digest"},
		"lies about a size": {func(m *image) ocispec.Descriptor {
			d := m.add(ocispec.MediaTypeImageConfig, []byte("{}"))
			d.Size = 1 << 60
			b, _ := json.Marshal(map[string]any{"schemaVersion": 2, "config": d})
			return m.add(ocispec.MediaTypeImageManifest, b)
		}, "size is 2, not 1152921504606846976"},
		"a layer that calls itself an index": {func(m *image) ocispec.Descriptor {
			d := m.add(index, []byte("<html>"))
			b, _ := json.Marshal(map[string]any{"schemaVersion": 2, "config": d, "layers": []ocispec.Descriptor{d}})
			return m.add(ocispec.MediaTypeImageManifest, b)
		}, ""},
		"deep": {func(m *image) ocispec.Descriptor {
			d := m.add("x", []byte("end"))
			for range 500 {
				b, _ := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []ocispec.Descriptor{d}})
				d = m.add(index, b)
			}
			return d
		}, ""},
		"wide": {func(m *image) ocispec.Descriptor { // 2^40 ways lead to the end
			d := m.add("x", []byte("end"))
			for range 40 {
				b, _ := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []ocispec.Descriptor{d, d, d}})
				d = m.add(index, b)
			}
			return d
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := open(t, dir, layout.Options{}).Close(); err != nil {
				t.Fatal(err)
			}
			m := image{blobs: map[digest.Digest][]byte{}}
			root := test.make(&m)
			for d, b := range m.blobs {
				writeFile(t, blobFile(dir, d), b)
			}
			setIndex(t, dir, root)
			got := verify(t, dir, layout.VerifyOptions{}).Damaged
			if test.want == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || test.want == "" || !strings.HasPrefix(got[0].What, test.want) || got[0].Image != string(root.Digest) {
				t.Errorf("damage is %+v; want %q", got, test.want)
			}
			// A repair keeps what fits its digest.
			repaired := verify(t, dir, layout.VerifyOptions{Repair: true})
			if fits := !strings.HasPrefix(test.want, "content"); fits != (len(repaired.Removed) == 0) {
				t.Errorf("removed %v", repaired.Removed)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, dir := range []string{dir, filepath.Join(dir, "missing")} {
		_, err := layout.Verify(t.Context(), dir, layout.VerifyOptions{Repair: true})
		_, err2 := layout.Collect(t.Context(), dir, false)
		for _, err := range []error{err, err2} {
			if !errors.Is(err, layout.ErrNotLayout) {
				t.Errorf("%s: %v", dir, err)
			}
		}
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil {
		t.Errorf("it made %v, %v", entries, err)
	}
	l := open(t, dir, layout.Options{})
	put(t, l, newImage(content(1, 10)), "a/b:c")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := layout.Verify(ended, dir, layout.VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v", err)
	}
}

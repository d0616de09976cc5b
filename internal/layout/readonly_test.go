// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/layout"
)

// TestReadOnlyBesideAWriter reads a layout while another process fills it.
func TestReadOnlyBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	put(t, l, newImage(content(1, 1000)), "quay.io/org/a:1")
	part := content(2, 1000)
	p := begin(t, l, describe("", part), 0)
	write(t, p, part[:300])

	r := open(t, dir, layout.Options{ReadOnly: true})
	put(t, l, newImage(content(3, 1000)), "quay.io/org/b:1")
	if len(r.Images()) != 1 {
		t.Errorf("images are %+v", r.Images())
	}
	for size, want := range map[int64]int64{1000: 300, 299: 0} {
		d := describe("", part)
		d.Size = size
		if n := r.PartialSize(d); n != want {
			t.Errorf("of %d bytes %d are there, not %d", size, n, want)
		}
	}
	if there, err := r.Has(t.Context(), describe("", content(3, 1000))); !there || err != nil {
		t.Errorf("a blob that came since: %v, %v", there, err)
	}
	err := layout.InUse(dir)
	if !errors.Is(err, layout.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("%s, by process %d:", dir, os.Getpid())) {
		t.Errorf("in use: %v", err)
	}
	if err := errors.Join(p.Close(), l.Close(), layout.InUse(dir)); err != nil {
		t.Error(err)
	}
}

// TestReadOnlyWritesNothing: a read-only Layout makes, changes and removes nothing.
func TestReadOnlyWritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l := open(t, dir, layout.Options{ReadOnly: true})
	if free, err := l.Free(); free <= 0 || err != nil || len(l.Images()) > 0 {
		t.Errorf("free: %d, %v, images %+v", free, err, l.Images())
	}
	b := content(1, 100)
	d := describe("", b)
	_, partial := l.Partial(t.Context(), d)
	for what, err := range map[string]error{
		"put": l.Put(t.Context(), d, b), "partial": partial, "delete": l.Delete(d.Digest), "remove": l.Remove(),
		"tag": l.Tag(t.Context(), layout.Entry{Name: "a/b:c", Descriptor: d}), "untag": l.Untag(t.Context(), "a/b:c"),
	} {
		if err == nil || !strings.Contains(err.Error(), "read only") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := layout.InUse(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it made a folder: %v", err)
	}

	w := open(t, dir, layout.Options{})
	m := newImage(b)
	put(t, w, m, "quay.io/org/a:1")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, blobFile(dir, d.Digest), make([]byte, 100))
	l = open(t, dir, layout.Options{ReadOnly: true, Check: true})
	if there, err := l.Has(t.Context(), d); there || err != nil {
		t.Errorf("a damaged blob is there: %v, %v", there, err)
	}
	if _, err := os.Stat(blobFile(dir, d.Digest)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"not JSON", `{"schemaVersion":1}`} {
		writeFile(t, filepath.Join(dir, "index.json"), []byte(bad))
		if _, err := layout.Open(dir, layout.Options{ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "index.json") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/layout"
)

func TestRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	if err := os.MkdirAll(filepath.Join(dir+".removed", "blobs", "sha256"), 0o755); err != nil { // of a run that was killed
		t.Fatal(err)
	}
	for range 2 {
		l, err := layout.Open(dir, layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !l.Bare() {
			t.Error("a new layout is not bare")
		}
		b := content(1, 10)
		p := begin(t, l, describe("", b), 0)
		write(t, p, b[:5])
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if l.Bare() {
			t.Error("with a part of a blob it is bare")
		}
		if err := l.Remove(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{dir, dir + ".removed"} {
			if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there: %v", name, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Errorf("a Close afterwards: %v", err)
		}
	}
}

// TestRemoveLeavesOthersAlone: a folder that happens to have the other name, and
// a layout that is another's by now.
func TestRemoveLeavesOthersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	letter := filepath.Join(dir+".removed", "letter.txt")
	writeFile(t, letter, []byte("dear"))
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Remove(); err == nil || !strings.Contains(err.Error(), dir+".removed") {
		t.Errorf("in the way of somebody's folder: %v", err)
	}
	if text, err := os.ReadFile(letter); string(text) != "dear" {
		t.Errorf("the letter is %q: %v", text, err)
	}
	if err := os.RemoveAll(dir + ".removed"); err != nil {
		t.Fatal(err)
	}
	open(t, dir, layout.Options{})
	if err := l.Remove(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("once it is closed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		t.Errorf("the other's layout: %v", err)
	}
}

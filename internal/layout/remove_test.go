// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/quayside/quayside/internal/layout"
)

func TestRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	for range 2 {
		l, err := layout.Open(dir, layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !l.Empty() {
			t.Error("a new layout is not bare")
		}
		b := content(1, 10)
		p := begin(t, l, describe("", b), 0)
		write(t, p, b[:5])
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if l.Empty() {
			t.Error("with a part of a blob it is bare")
		}
		if err := l.Remove(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) > 0 {
			t.Errorf("left are %v: %v", left, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("a Close afterwards: %v", err)
		}
	}
}

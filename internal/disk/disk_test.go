// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/quayside/quayside/internal/disk"
)

// TestReplace: a file has its old content or its new content, keeps its mode, and no
// temporary file stays.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	text := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	failed := errors.New("failed")
	for _, test := range []struct {
		write func(io.Writer) error
		err   error
		want  string
	}{
		{func(io.Writer) error { return failed }, failed, ""},
		{text("one"), nil, "one"},
		{text("two"), nil, "two"},
		{func(w io.Writer) error { return errors.Join(text("half")(w), failed) }, failed, "two"},
	} {
		if err := disk.Replace(name, test.write); !errors.Is(err, test.err) {
			t.Errorf("error %v, want %v", err, test.err)
		}
		content, err := os.ReadFile(name)
		if string(content) != test.want || (err != nil) != (test.want == "") {
			t.Errorf("content is %q, %v; want %q", content, err, test.want)
		}
		if test.want == "" {
			continue
		}
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 && os.PathSeparator == '/' {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := disk.Replace(filepath.Join(dir, "missing", "file"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing folder: %v", err)
	}
}

// TestOpen: only a regular file is opened, also behind a link.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := map[string]error{file: nil, dir: disk.ErrNotRegular, filepath.Join(dir, "missing"): fs.ErrNotExist}
	for link, target := range map[string]string{"link": file, "folder": dir, "broken": filepath.Join(dir, "nothing"), "loop": filepath.Join(dir, "loop")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip(err) // Windows, without the privilege
		}
		names[filepath.Join(dir, link)] = disk.ErrNotRegular
	}
	names[filepath.Join(dir, "link")] = nil
	for name, want := range names {
		f, _, err := disk.Open(name)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err == nil {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if to, err := disk.Follow(filepath.Join(dir, "broken")); err != nil || to != filepath.Join(dir, "nothing") {
		t.Errorf("follow: %s, %v", to, err)
	}
	if to, err := disk.Follow(filepath.Join(dir, "loop")); err == nil {
		t.Errorf("a loop leads to %s", to)
	}
}

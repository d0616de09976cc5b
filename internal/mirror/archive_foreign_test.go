// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// archiveKinds are the endings of the staging folders of archives.
var archiveKinds = map[string]opener{".quayside": destination.OCIArchive, ".quayside-docker": toDockerArchive}

// content returns the files of a folder with their content, and the modes of others.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, f fs.DirEntry, err error) error {
		if err == nil && f.Type().IsRegular() {
			var b []byte
			b, err = os.ReadFile(name)
			all[name] = string(b)
		} else {
			all[name] = f.Type().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A foreign file or folder with the name of the staging folder stays unchanged, in runs
// that succeed and in runs that fail, and it makes no run fail.
func TestForeignStagingFolder(t *testing.T) {
	s := newSite(t, quaytest.Release(3, quaytest.ReleaseOptions{Base: 40_000, Own: 5_000}))
	images := s.images("2025.1")
	missing := images[2]
	missing.Digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	for kind, open := range archiveKinds {
		for name, prepare := range map[string]func(dir string) error{
			"file": func(dir string) error { return os.WriteFile(dir, []byte("dear"), 0o600) },
			"files": func(dir string) error {
				return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600))
			},
			"link": func(dir string) error { return os.Symlink(t.TempDir(), dir) },
			"layout": func(dir string) error {
				l := newLayout(t, dir)
				copyTo(t, l, s.options(), images[:1])
				return l.Close()
			},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "all.tar")
				if err := prepare(file + kind); err != nil {
					t.Fatal(err)
				}
				before := content(t, filepath.Dir(file))
				to := opened(t, open, file)
				r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values([]mirror.Image{images[1], missing}))
				if err != nil || r.Copied != 1 || r.Failed != 1 {
					t.Errorf("%v\n%s", err, show(t, r))
				}
				if err := to.Close(); err != nil {
					t.Fatal(err)
				}
				archived(t, open, file, s.options(), images[1:])
				if got := indexed(t, unpack(t, file)); !cmp.Equal(wanted(images[1:]...), got) {
					t.Errorf("images are %v", got)
				}
				after := content(t, filepath.Dir(file))
				delete(after, file)
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("it changed (-before +after):\n%.2000s", diff)
				}
			})
		}
	}
}

// A link to an archive is followed and stays, even if its target does not exist yet. A
// replaced archive keeps its mode, and a new one has the mode that the umask leaves.
func TestLinkedArchive(t *testing.T) {
	s := newSite(t, quaytest.Release(2, quaytest.ReleaseOptions{Base: 40_000, Own: 5_000}))
	images := s.images("2025.1")
	for kind, open := range archiveKinds {
		t.Run(kind, func(t *testing.T) {
			top := t.TempDir()
			file, link := filepath.Join(top, "real", "all.tar"), filepath.Join(top, "links", "all.tar")
			plain := filepath.Join(top, "plain")
			err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.Mkdir(filepath.Dir(link), 0o755), os.WriteFile(plain, nil, 0o666))
			if err := errors.Join(err, os.Symlink(filepath.Join("..", "real", "all.tar"), link)); err != nil {
				t.Skip(err)
			}
			archived(t, open, link, s.options(), images[:1])
			usual, err := os.Stat(plain)
			if err != nil {
				t.Fatal(err)
			}
			if made, err := os.Lstat(file); err != nil || made.Mode() != usual.Mode() {
				t.Errorf("a new archive is %v and not %v: %v", made, usual.Mode(), err)
			}
			for _, mode := range []fs.FileMode{0o600, 0o640, 0o644} {
				before := read(t, file)
				if err := os.Chmod(file, mode); err != nil {
					t.Fatal(err)
				}
				archived(t, open, link, s.options(), images[:1+int(mode>>5&1)]) // 0640 adds an image
				if info, err := os.Lstat(file); err != nil || info.Mode() != mode {
					t.Errorf("it is %v and was %v: %v", info, mode, err)
				}
				if changed := !bytes.Equal(before, read(t, file)); changed != (mode == 0o640) {
					t.Errorf("changed: %v", changed)
				}
			}
			if at, err := os.Readlink(link); err != nil || at != filepath.Join("..", "real", "all.tar") {
				t.Errorf("the link leads to %q: %v", at, err)
			}
			if got := indexed(t, unpack(t, file)); !cmp.Equal(wanted(images...), got) {
				t.Errorf("images are %v", got)
			}
			for _, dir := range []string{filepath.Dir(file), filepath.Dir(link)} {
				if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
					t.Errorf("left are %v: %v", left, err)
				}
			}
		})
	}
}

// A copy repairs a layout that has folders in the places of its blobs.
func TestLayoutWithFoldersForBlobs(t *testing.T) {
	s := newSite(t, quaytest.Release(2, quaytest.ReleaseOptions{Base: 40_000, Own: 5_000}))
	images := s.images("2025.1")
	dir := t.TempDir()
	l := newLayout(t, dir)
	r := copyTo(t, l, s.options(), images)
	whole(t, l, r, len(images))
	blobs := filepath.Join(dir, "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		at := filepath.Join(blobs, e.Name())
		if err := errors.Join(os.Remove(at), os.MkdirAll(filepath.Join(at, "full"), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	moved := make(chan string, len(entries))
	l, err = layout.Open(dir, layout.Options{Moved: func(_ digest.Digest, to string) { moved <- to }})
	if err != nil {
		t.Fatal(err)
	}
	r = copyTo(t, l, s.options(), images)
	whole(t, l, r, len(images))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	close(moved)
	n := 0
	for to := range moved {
		n++
		if _, err := os.Stat(filepath.Join(to, "full")); err != nil {
			t.Errorf("a folder is gone: %v", err)
		}
	}
	if n != len(entries) {
		t.Errorf("%d of %d were moved", n, len(entries))
	}
}

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

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/quayside/quayside/internal/layout"
)

// odd returns things other than a regular file, to be put in the place of a file.
func odd(t *testing.T) map[string]func(at string) error {
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "letter.txt"), []byte("dear"))
	return map[string]func(string) error{
		"a pipe":   func(at string) error { return unix.Mkfifo(at, 0o644) },
		"a folder": func(at string) error { return os.MkdirAll(filepath.Join(at, "full"), 0o755) },
		"a socket": func(at string) error { return unix.Mknod(at, unix.S_IFSOCK|0o644, 0) },
		"a symbolic link": func(at string) error {
			return os.Symlink(filepath.Join(outside, "nothing"), at)
		},
		"a symbolic link to a folder": func(at string) error { return os.Symlink(outside, at) },
		"a symbolic link to itself":   func(at string) error { return os.Symlink(at, at) },
		"a device": func(at string) error { // one that never ends
			return unix.Mknod(at, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5)))
		},
	}
}

// spoil puts something in the place of a blob.
func spoil(t *testing.T, dir string, d digest.Digest, put func(string) error) {
	t.Helper()
	if err := os.RemoveAll(blobFile(dir, d)); err != nil {
		t.Fatal(err)
	}
	if err := put(blobFile(dir, d)); errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// TestOnlyRegularFilesAreBlobs: anything but a regular file in the place of a blob is
// named, never opened, and moved away by a repair or when the blob is stored.
func TestOnlyRegularFilesAreBlobs(t *testing.T) {
	for name, put := range odd(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, layout.Options{})
			b := content(1, 1000)
			m := newImage(b)
			putImage(t, l, m)
			what := strings.Join(strings.Fields(name)[:2], " ")
			if strings.HasPrefix(name, "a symbolic") {
				what = "a symbolic link"
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			for _, d := range []digest.Digest{describe("", b).Digest, m.root.Digest} { // a layer, and the manifest
				spoil(t, dir, d, put)
				report := verify(t, dir, layout.VerifyOptions{})
				if len(report.Damaged) != 1 || report.Damaged[0].Digest != d || report.Damaged[0].What != "unreadable: it is "+what+", not a file" {
					t.Errorf("damage is %+v", report.Damaged)
				}
				report = verify(t, dir, layout.VerifyOptions{Repair: true})
				if len(report.Damaged) != 1 || len(report.Removed) > 0 || len(report.Moved) != 1 || report.Moved[0].Digest != d || report.Moved[0].What != what {
					t.Fatalf("repair: %+v", report)
				}
				if _, err := os.Lstat(report.Moved[0].To); err != nil {
					t.Errorf("it is not there: %v", err)
				}
				if what := verify(t, dir, layout.VerifyOptions{}).Damaged; len(what) != 1 || what[0].What != "missing" {
					t.Errorf("after the repair: %+v", what)
				}

				spoil(t, dir, d, put)
				for _, check := range []bool{false, true} {
					moved := map[digest.Digest]string{}
					l := open(t, dir, layout.Options{Check: check, Moved: func(d digest.Digest, to string) { moved[d] = to }})
					if there, err := l.Has(t.Context(), describe("", m.blobs[d])); there || err != nil {
						t.Errorf("there: %v, %v", there, err)
					}
					if _, _, err := l.Blob(d); !errors.Is(err, layout.ErrMissing) {
						t.Errorf("blob: %v", err)
					}
					if _, err := l.Read(t.Context(), describe("", m.blobs[d])); !errors.Is(err, layout.ErrMissing) {
						t.Errorf("read: %v", err)
					}
					if check {
						p := begin(t, l, describe("", m.blobs[d]), 0)
						write(t, p, m.blobs[d])
						if err := p.Commit(); err != nil {
							t.Error(err)
						}
						if _, err := os.Lstat(moved[d]); err != nil {
							t.Errorf("moved to %q: %v", moved[d], err)
						}
					}
					if err := l.Close(); err != nil {
						t.Error(err)
					}
				}
				if what := verify(t, dir, layout.VerifyOptions{}).Damaged; len(what) > 0 {
					t.Errorf("once it came again: %+v", what)
				}
			}
			// Collect removes neither what was moved away nor what has the name of a blob.
			spoil(t, dir, describe("", []byte("unneeded")).Digest, put)
			before := all(t, dir)
			if c, err := layout.Collect(t.Context(), dir, false); err != nil || len(c.Blobs) > 0 {
				t.Errorf("collect: %+v, %v", c, err)
			}
			if diff := cmp.Diff(before, all(t, dir)); diff != "" {
				t.Errorf("collected (-before +after):\n%s", diff)
			}
		})
	}
}

func putImage(t *testing.T, l *layout.Layout, m image) { put(t, l, m, "quay.io/org/a:1") }

// all lists the names in a folder.
func all(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestOddFoldersOfBlobs: anything but a folder in the place of a folder of blobs is named
// and never opened.
func TestOddFoldersOfBlobs(t *testing.T) {
	for name, put := range odd(t) {
		if strings.HasSuffix(name, "folder") {
			continue
		}
		for _, folder := range []string{"blobs", "blobs/sha256"} {
			dir := t.TempDir()
			b := content(1, 1000)
			l := open(t, dir, layout.Options{})
			putImage(t, l, newImage(b))
			at := filepath.Join(dir, folder)
			if err := errors.Join(l.Close(), os.RemoveAll(at), put(at)); errors.Is(err, fs.ErrPermission) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			l = open(t, dir, layout.Options{})
			if err := l.Put(t.Context(), describe("", b), b); err == nil || !strings.Contains(err.Error(), at) {
				t.Errorf("%s is %s: put: %v", folder, name, err)
			}
			if err := l.Tag(t.Context(), layout.Entry{Name: "quay.io/org/b:1", Descriptor: describe("", b)}); !errors.Is(err, layout.ErrMissing) {
				t.Errorf("%s is %s: tag: %v", folder, name, err)
			}
			if damaged := verify(t, dir, layout.VerifyOptions{}).Damaged; len(damaged) == 0 {
				t.Errorf("%s is %s: nothing is damaged", folder, name)
			}
			_ = l.Untag(t.Context(), "quay.io/org/a:1") // it syncs the folders, and may say what is wrong
			_ = l.Close()                               // so does this
		}
	}
}

// TestLinkedBlob: a link to a file with the blob's content counts as the blob. Any other
// link is moved away, and its target stays.
func TestLinkedBlob(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "file")
	b := content(1, 1000)
	d := describe("", b)
	link := func(at string) error { return os.Symlink(outside, at) }
	l := open(t, dir, layout.Options{})
	putImage(t, l, newImage(b))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, there := range []struct {
		content []byte
		whole   bool
	}{{b, true}, {content(2, 1000), false}, {b[:10], false}} {
		writeFile(t, outside, there.content)
		for _, heal := range []func() string{
			func() string {
				report := verify(t, dir, layout.VerifyOptions{Repair: true})
				if len(report.Moved) == 0 {
					return ""
				}
				return report.Moved[0].To
			},
			func() (to string) {
				l := open(t, dir, layout.Options{Check: true, Moved: func(_ digest.Digest, at string) { to = at }})
				if ok, err := l.Has(t.Context(), d); ok != there.whole || err != nil {
					t.Errorf("there: %v, %v", ok, err)
				}
				if err := errors.Join(l.Put(t.Context(), d, b), l.Close()); err != nil {
					t.Error(err)
				}
				return to
			},
		} {
			spoil(t, dir, d.Digest, link)
			if damaged := verify(t, dir, layout.VerifyOptions{}).Damaged; (len(damaged) == 0) != there.whole {
				t.Errorf("damage is %+v", damaged)
			}
			to := heal()
			if at, err := os.Readlink(to); there.whole && to != "" || !there.whole && at != outside {
				t.Errorf("moved to %q, %q: %v", to, at, err)
			}
			if got, err := os.ReadFile(outside); err != nil || string(got) != string(there.content) {
				t.Errorf("what it leads to was changed: %v", err)
			}
		}
	}
}

// TestOddFilesOfALayout: anything but a regular file in the place of index.json or
// oci-layout is named and never opened.
func TestOddFilesOfALayout(t *testing.T) {
	for name, put := range odd(t) {
		for _, file := range []string{"index.json", "oci-layout"} {
			dir := t.TempDir()
			l := open(t, dir, layout.Options{})
			if err := errors.Join(l.Close(), os.Remove(filepath.Join(dir, file)), put(filepath.Join(dir, file))); errors.Is(err, fs.ErrPermission) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			before := all(t, dir)
			_, err := layout.Open(dir, layout.Options{})
			_, verifyErr := layout.Verify(t.Context(), dir, layout.VerifyOptions{})
			_, collectErr := layout.Collect(t.Context(), dir, false)
			for _, err := range []error{err, verifyErr, collectErr} {
				if err == nil || !strings.Contains(err.Error(), file) {
					t.Errorf("%s is %s: %v", file, name, err)
				}
			}
			if diff := cmp.Diff(before, all(t, dir)); diff != "" {
				t.Errorf("%s is %s (-before +after):\n%s", file, name, diff)
			}
		}
	}
}

// TestUmask: new files and folders follow the umask. A helper process sets it.
func TestUmask(t *testing.T) {
	for umask, want := range map[string]struct{ folder, file fs.FileMode }{
		"0":   {0o777, 0o666},
		"2":   {0o775, 0o664},
		"22":  {0o755, 0o644},
		"27":  {0o750, 0o640},
		"77":  {0o700, 0o600},
		"117": {0o660, 0o660},
	} {
		if umask == "117" && os.Geteuid() != 0 { // folders that cannot be entered
			continue
		}
		dir := filepath.Join(t.TempDir(), "a", "layout")
		cmd := helper(t.Context(), t, "umask "+umask, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		err := filepath.WalkDir(filepath.Dir(dir), func(name string, f fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := f.Info()
			if err != nil {
				return err
			}
			mode := want.file
			if f.IsDir() {
				mode = want.folder
			}
			if info.Mode().Perm() != mode {
				t.Errorf("umask %s: %s has %v, not %v", umask, name, info.Mode(), mode)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestHugeBlob: a huge file whose size contradicts its descriptor is not hashed. A repair
// moves it away, and the blob replaces it when it is stored.
func TestHugeBlob(t *testing.T) {
	dir := t.TempDir()
	b := content(1, 1000)
	d := describe("", b)
	huge := func(at string) error { return errors.Join(os.WriteFile(at, nil, 0o644), os.Truncate(at, 1<<40)) }
	l := open(t, dir, layout.Options{})
	putImage(t, l, newImage(b))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, dir, d.Digest, huge)
	for _, repair := range []bool{false, true} {
		report := verify(t, dir, layout.VerifyOptions{Repair: repair})
		if len(report.Damaged) != 1 || report.Damaged[0].What != "size is 1099511627776, not 1000" || report.Bytes > 1<<20 || len(report.Moved) > 0 != repair {
			t.Errorf("repair %v: %+v", repair, report)
		}
	}
	for _, check := range []bool{false, true} {
		spoil(t, dir, d.Digest, huge)
		l = open(t, dir, layout.Options{Check: check})
		if there, err := l.Has(t.Context(), d); there || err != nil {
			t.Errorf("there: %v, %v", there, err)
		}
		if err := errors.Join(l.Put(t.Context(), d, b), l.Close()); err != nil {
			t.Error(err)
		}
		if report := verify(t, dir, layout.VerifyOptions{}); len(report.Damaged) > 0 {
			t.Errorf("after it came again: %+v", report)
		}
	}
}

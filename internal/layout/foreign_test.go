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

	"github.com/quayside/quayside/internal/layout"
)

// tree returns the content of a folder: files with their text, links with their targets.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, f fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at, _ := filepath.Rel(dir, name)
		switch {
		case f.IsDir():
			all[at] = "folder"
		case f.Type()&fs.ModeSymlink != 0:
			all[at], err = os.Readlink(name)
		case f.Type().IsRegular():
			var b []byte
			b, err = os.ReadFile(name)
			all[at] = string(b)
		default:
			all[at] = f.Type().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(target, name)); err != nil {
		t.Skip(err) // Windows, without the privilege
	}
}

// use stores an image and a part of another blob in a layout, and collects.
func use(t *testing.T, dir string) {
	t.Helper()
	for range 2 { // a second run finds .quayside again
		l := open(t, dir, layout.Options{})
		b := content(7, 2000)
		p, err := l.Partial(t.Context(), describe("", b))
		if err != nil {
			t.Fatal(err)
		}
		write(t, p, b[p.Size():][:100])
		put(t, l, newImage(content(1, 1000)), "quay.io/org/a:1")
		if _, err := layout.Open(dir, layout.Options{}); !errors.Is(err, layout.ErrLocked) {
			t.Errorf("a second Layout: %v", err)
		}
		if err := errors.Join(p.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := layout.Collect(t.Context(), dir, false); err != nil || c.Partials != 1 || c.Bytes != 200 {
		t.Errorf("collect: %+v, %v", c, err)
	}
	checkWhole(t, dir)
}

// TestForeignFolder: a file or folder with the name .quayside and without a mark stays as
// it is, and the layout works beside it.
func TestForeignFolder(t *testing.T) {
	outside := t.TempDir()
	victim := filepath.Join(outside, "letter.txt")
	part := describe("", content(7, 2000))
	for name, prepare := range map[string]func(t *testing.T, own string){
		"file":          func(t *testing.T, own string) { writeFile(t, own, []byte("dear")) },
		"link":          func(t *testing.T, own string) { symlink(t, outside, own) },
		"dangling link": func(t *testing.T, own string) { symlink(t, filepath.Join(outside, "nothing"), own) },
		"files":         func(t *testing.T, own string) { writeFile(t, filepath.Join(own, "partial", "x"), []byte("dear")) },
		"lock":          func(t *testing.T, own string) { writeFile(t, filepath.Join(own, "lock"), []byte("dear")) },
		"linked lock":   func(t *testing.T, own string) { symlink(t, victim, filepath.Join(own, "lock")) },
		"dangling lock": func(t *testing.T, own string) {
			symlink(t, filepath.Join(outside, "nothing"), filepath.Join(own, "lock"))
		},
		"mark":           func(t *testing.T, own string) { writeFile(t, filepath.Join(own, "mark.json"), []byte("dear")) },
		"mark of others": func(t *testing.T, own string) { writeFile(t, filepath.Join(own, "mark.json"), []byte(`{"work":"w"}`)) },
		"path in mark": func(t *testing.T, own string) {
			writeFile(t, filepath.Join(own, "mark.json"), []byte(`{"made_by":"quayside","work":"../../x"}`))
		},
		"lock with a second name": func(t *testing.T, own string) {
			writeFile(t, filepath.Join(own, "x"), nil)
			if err := errors.Join(os.Remove(filepath.Join(own, "x")), os.Link(victim, filepath.Join(own, "lock"))); err != nil {
				t.Skip(err)
			}
		},
		"all names of before": func(t *testing.T, own string) {
			symlink(t, victim, filepath.Join(own, "partial", "sha256-"+part.Digest.Encoded()))
			writeFile(t, filepath.Join(own, "temporary", "1"), []byte("dear"))
			symlink(t, victim, filepath.Join(own, "temporary", "index.json"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, victim, []byte("dear"))
			dir := t.TempDir()
			own := filepath.Join(dir, ".quayside")
			prepare(t, own)
			before, outer := tree(t, own), tree(t, outside)
			use(t, dir)
			if diff := cmp.Diff(before, tree(t, own)); diff != "" {
				t.Errorf("it changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(outer, tree(t, outside)); diff != "" {
				t.Errorf("outside (-before +after):\n%s", diff)
			}
		})
	}
}

// TestForeignFilesAmongOurs: files that somebody puts into .quayside are neither removed
// nor written to.
func TestForeignFilesAmongOurs(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	use(t, dir)
	b := content(7, 2000)
	name := "sha256-" + describe("", b).Digest.Encoded()
	work := workFolder(t, dir)
	victim := filepath.Join(outside, "letter.txt")
	for what, prepare := range map[string]func(at string){
		"link":          func(at string) { symlink(t, victim, at) },
		"dangling link": func(at string) { symlink(t, filepath.Join(outside, "nothing"), at) },
		"folder":        func(at string) { writeFile(t, filepath.Join(at, "x"), []byte("dear")) },
		"second name": func(at string) {
			if err := os.Link(victim, at); err != nil {
				t.Skip(err)
			}
		},
	} {
		writeFile(t, victim, []byte("dear"))
		prepare(filepath.Join(work, name))
		writeFile(t, filepath.Join(work, "letter.txt"), []byte("dear"))
		writeFile(t, filepath.Join(work, "new-folder", "letter.txt"), []byte("dear"))
		before, outer := tree(t, work), tree(t, outside)
		l := open(t, dir, layout.Options{})
		if n := l.PartialSize(describe("", b)); n != 0 {
			t.Errorf("%s: %d bytes of the blob are there", what, n)
		}
		p := begin(t, l, describe("", b), 0)
		write(t, p, b)
		if err := errors.Join(p.Commit(), l.Close()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := layout.Collect(t.Context(), dir, false); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(before, tree(t, work)); diff != "" {
			t.Errorf("%s: it changed (-before +after):\n%s", what, diff)
		}
		if diff := cmp.Diff(outer, tree(t, outside)); diff != "" {
			t.Errorf("%s: outside (-before +after):\n%s", what, diff)
		}
		if err := os.RemoveAll(filepath.Join(work, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRemoveLeavesOthersAlone: Remove keeps files of others, beside the layout and in it,
// and refuses a layout that existed before.
func TestRemoveLeavesOthersAlone(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "layout")
	use(t, dir+".removed")
	beside := tree(t, dir+".removed")
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	letter := filepath.Join(dir, "letter.txt")
	writeFile(t, letter, []byte("dear"))
	if err := l.Remove(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(letter); string(text) != "dear" {
		t.Errorf("the letter is %q: %v", text, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}

	other := open(t, dir, layout.Options{})
	if err := l.Remove(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("once it is closed: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, layout.Options{})
	if err := again.Remove(); err == nil {
		t.Error("it removed a layout that it had not made")
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		t.Errorf("the other's layout: %v", err)
	}
	if diff := cmp.Diff(beside, tree(t, dir+".removed")); diff != "" {
		t.Errorf("beside it (-before +after):\n%s", diff)
	}
}

// TestStagingFolder: only a marked folder is a staging folder. Open takes the next name for
// any other.
func TestStagingFolder(t *testing.T) {
	const kind = "oci-archive:"
	o := layout.Options{Staging: kind}
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"nothing":         nil,
		"file":            func(t *testing.T, dir string) { writeFile(t, dir, []byte("dear")) },
		"files":           func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "x"), []byte("dear")) },
		"layout":          func(t *testing.T, dir string) { use(t, dir) },
		"link to nothing": func(t *testing.T, dir string) { symlink(t, filepath.Join(t.TempDir(), "nothing"), dir) },
		"link to folder":  func(t *testing.T, dir string) { symlink(t, t.TempDir(), dir) },
		"layout of others": func(t *testing.T, dir string) {
			use(t, dir)
			if err := os.RemoveAll(filepath.Join(dir, ".quayside")); err != nil {
				t.Fatal(err)
			}
		},
		"other staging": func(t *testing.T, dir string) {
			if err := open(t, dir, layout.Options{Staging: "docker-archive:"}).Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "x.tar.quayside")
			if prepare != nil {
				prepare(t, dir)
			}
			before := tree(t, top)
			for range 2 {
				l := open(t, dir, o)
				if (l.Dir() != dir) != (prepare != nil) {
					t.Errorf("it is %s", l.Dir())
				}
				put(t, l, newImage(content(1, 1000)), "quay.io/org/a:1")
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			l := open(t, dir, o)
			if len(l.Images()) != 1 {
				t.Errorf("images are %+v", l.Images())
			}
			if _, err := layout.Open(l.Dir(), layout.Options{}); err == nil {
				t.Error("it is a user's layout, too")
			}
			if err := l.Remove(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, tree(t, top)); diff != "" {
				t.Errorf("it changed (-before +after):\n%s", diff)
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "x")
	l := open(t, dir, o)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Open(dir, layout.Options{}); !errors.Is(err, layout.ErrNotLayout) || !strings.Contains(err.Error(), kind) {
		t.Errorf("as a layout of the user's: %v", err)
	}
}

// TestRemoveIsCutShort: the next run can use whatever a kill during Remove leaves.
func TestRemoveIsCutShort(t *testing.T) {
	o := layout.Options{Staging: "oci-archive:"}
	order := []string{"blobs", "index.json", "oci-layout", ".quayside/work", ".quayside/mark.json", ".quayside/lock", ".quayside"}
	for n := range len(order) + 1 {
		dir := filepath.Join(t.TempDir(), "staging")
		l := open(t, dir, o)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		work := workFolder(t, dir)
		for _, name := range order[:n] {
			at := filepath.Join(dir, name)
			switch name {
			case ".quayside/work":
				at = work
			case ".quayside/mark.json":
				if err := os.Truncate(filepath.Join(dir, ".quayside", "lock"), 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.RemoveAll(at); err != nil {
				t.Fatal(err)
			}
		}
		l = open(t, dir, o)
		if l.Dir() != dir {
			t.Errorf("after %v it is %s", order[:n], l.Dir())
		}
		put(t, l, newImage(content(1, 1000)), "quay.io/org/a:1")
		if err := l.Remove(); err != nil {
			t.Errorf("after %v: %v", order[:n], err)
		}
		want := map[string]string{".": "folder"}
		if n == len(order) { // an empty folder may belong to anybody
			want["staging"] = "folder"
		}
		if diff := cmp.Diff(want, tree(t, filepath.Dir(dir))); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", order[:n], diff)
		}
	}
}

// TestLinkedLayout: a link to a folder is followed and stays, also if the folder does not
// exist yet.
func TestLinkedLayout(t *testing.T) {
	for _, name := range []string{"there", "nothing"} {
		top := t.TempDir()
		target := filepath.Join(top, name)
		if name == "there" {
			if err := os.Mkdir(target, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		at := filepath.Join(top, "links", "layout")
		symlink(t, filepath.Join("..", name), at)
		use(t, at)
		checkWhole(t, target)
		if info, err := os.Lstat(at); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s: the link is %v, %v", name, info, err)
		}
	}
	top := t.TempDir()
	at := filepath.Join(top, "layout")
	symlink(t, "nothing", at)
	l := open(t, at, layout.Options{})
	if err := l.Remove(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]string{".": "folder", "layout": "nothing"}, tree(t, top)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestLinkedIndex: an index that is a link is read and never replaced.
func TestLinkedIndex(t *testing.T) {
	dir := t.TempDir()
	use(t, dir)
	index, outside := filepath.Join(dir, "index.json"), filepath.Join(t.TempDir(), "index.json")
	if err := os.Rename(index, outside); err != nil {
		t.Fatal(err)
	}
	symlink(t, outside, index)
	before := tree(t, filepath.Dir(outside))
	l := open(t, dir, layout.Options{})
	m, ok := l.Image("quay.io/org/a:1")
	m.Name = "quay.io/org/b:1"
	if err := l.Tag(t.Context(), m); !ok || err == nil || !strings.Contains(err.Error(), "index.json is a symbolic link") {
		t.Errorf("tag: %v, %v", ok, err)
	}
	if diff := cmp.Diff(before, tree(t, filepath.Dir(outside))); diff != "" {
		t.Errorf("outside (-before +after):\n%s", diff)
	}
	if _, err := os.Readlink(index); err != nil {
		t.Error(err)
	}
}

// TestSharedBlobs: Collect refuses a folder of blobs that is a link, because another layout
// may need the blobs.
func TestSharedBlobs(t *testing.T) {
	top := t.TempDir()
	one, two := filepath.Join(top, "one"), filepath.Join(top, "two")
	l := open(t, one, layout.Options{})
	put(t, l, newImage(content(1, 1000)), "quay.io/org/a:1")
	if err := errors.Join(l.Close(), os.Mkdir(two, 0o755)); err != nil {
		t.Fatal(err)
	}
	symlink(t, filepath.Join(one, "blobs"), filepath.Join(two, "blobs"))
	writeFile(t, filepath.Join(two, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	writeFile(t, filepath.Join(two, "index.json"), []byte(`{"schemaVersion":2,"manifests":[]}`))
	l = open(t, two, layout.Options{})
	put(t, l, newImage(content(2, 1000)), "quay.io/org/b:1")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		if c, err := layout.Collect(t.Context(), two, dry); err == nil || len(c.Blobs) > 0 || !strings.Contains(err.Error(), "blobs is a symbolic link") {
			t.Errorf("collect: %+v, %v", c, err)
		}
	}
	if names := checkWhole(t, one); !(len(names) == 1 && names["quay.io/org/a:1"] != "") {
		t.Errorf("images are %v", names)
	}
}

// TestStagingFolderBeneathAFile: the error names the staging folder.
func TestStagingFolderBeneathAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(file, "staging")
	if _, err := layout.Open(name, layout.Options{Staging: "test:"}); err == nil || !strings.HasPrefix(err.Error(), "layout "+name+": open: ") {
		t.Errorf("error %v", err)
	}
}

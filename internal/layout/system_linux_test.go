// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/quayside/quayside/internal/disktest"
	"github.com/quayside/quayside/internal/layout"
)

// TestOpenOnAFullDisk: an Open that fails for lack of space leaves nothing, and removes
// nothing that was there before.
func TestOpenOnAFullDisk(t *testing.T) {
	disk := disktest.Mount(t, 64<<10)
	writeFile(t, filepath.Join(disk, "mine", "ballast"), make([]byte, 4<<10))
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 4<<10))
	}
	if err := ballast.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join("new", "folder", "layout"), filepath.Join("mine", "layout")} {
		_, err := layout.Open(filepath.Join(disk, dir), layout.Options{})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for dir, want := range map[string]int{disk: 2, filepath.Join(disk, "mine"): 1} {
		if left, err := os.ReadDir(dir); err != nil || len(left) != want {
			t.Errorf("%s has %v, %v", dir, left, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	dir := filepath.Join(disktest.Mount(t, 1<<20), "layout")
	l := open(t, dir, layout.Options{})
	m := newImage(content(1, 10))
	put(t, l, m, "quay.io/org/a:1")
	full := func(err error) {
		t.Helper()
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
			t.Errorf("error is %v; want no space, and the folder", err)
		}
	}
	ballast := filepath.Join(dir, "ballast")
	writeFile(t, ballast, make([]byte, 500<<10))
	if free, err := l.Free(); err != nil || free < 100<<10 || free > 540<<10 {
		t.Errorf("free: %d, %v", free, err)
	}

	b := content(2, 800<<10)
	d := describe("", b)
	p := begin(t, l, d, 0)
	var err error
	for n := 0; err == nil; {
		n, err = p.Write(b[p.Size():][:100<<10])
		if err == nil && n != 100<<10 {
			t.Fatalf("wrote %d and no error", n)
		}
	}
	full(err)
	at := p.Size()
	if at < 100<<10 {
		t.Errorf("%d bytes are kept", at)
	}
	name := "quay.io/org/" + strings.Repeat("long", 2000) + ":1" // more than is left of a page
	full(l.Tag(t.Context(), layout.Entry{Name: name, Descriptor: m.root}))
	full(l.Put(t.Context(), describe("", b[:5000]), b[:5000]))
	if err := errors.Join(p.Close(), l.Close()); err != nil {
		t.Error(err)
	}

	l = open(t, dir, layout.Options{}) // on a full disk too
	if x := readIndex(t, dir).Manifests; len(x) != 1 || len(l.Images()) != 1 {
		t.Errorf("index is %+v", x)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p = begin(t, l, d, at)
	write(t, p, b[at:])
	if err := errors.Join(p.Commit(), l.Tag(t.Context(), layout.Entry{Name: name, Descriptor: m.root})); err != nil {
		t.Error(err)
	}
	checkWhole(t, dir)

	// Collect makes room where there is none.
	writeFile(t, ballast, nil)
	_ = os.WriteFile(ballast, make([]byte, 1<<20), 0o644) // as much as there is room for
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err := layout.Collect(t.Context(), dir, false); err != nil || len(c.Blobs) != 1 {
		t.Errorf("collect: %+v, %v", c, err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := ""
	var readOnly func() error
	if os.Geteuid() == 0 { // whom permissions do not hold
		dir = disktest.Mount(t, 1<<20)
		readOnly = func() error { disktest.ReadOnly(t, dir); return nil }
	} else {
		dir = t.TempDir()
		readOnly = func() error {
			return errors.Join(os.Chmod(filepath.Join(dir, ".quayside", "lock"), 0o444), os.Chmod(dir, 0o555))
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	}
	l := open(t, dir, layout.Options{})
	m, unused := newImage(content(1, 1000)), content(2, 100)
	put(t, l, m, "quay.io/org/a:1")
	if err := errors.Join(l.Put(t.Context(), describe("", unused), unused), l.Close(), readOnly()); err != nil {
		t.Fatal(err)
	}
	_, openErr := layout.Open(dir, layout.Options{})
	_, repairErr := layout.Verify(t.Context(), dir, layout.VerifyOptions{Repair: true})
	for _, err := range []error{openErr, repairErr} {
		if err == nil || !strings.Contains(err.Error(), "cannot be written to") || !strings.Contains(err.Error(), dir) {
			t.Errorf("error is %v", err)
		}
	}
	if report, err := layout.Verify(t.Context(), dir, layout.VerifyOptions{}); err != nil || report.Images != 1 || len(report.Damaged) > 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
	if c, err := layout.Collect(t.Context(), dir, true); err != nil || len(c.Blobs) != 1 || c.Bytes != 100 {
		t.Errorf("what collect would do: %+v, %v", c, err)
	}
	l = open(t, dir, layout.Options{ReadOnly: true})
	if e, ok := l.Image("quay.io/org/a:1"); !ok || e.Descriptor.Digest != m.root.Digest {
		t.Errorf("image is %+v, %v", e, ok)
	}
}

// TestReadersShareTheLock: a reader keeps writers out and other readers not, and an error
// does not name it as the last writer.
func TestReadersShareTheLock(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	put(t, l, newImage(content(1, 1000)), "quay.io/org/a:1")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(filepath.Join(dir, ".quayside", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := unix.Flock(int(reader.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if err := layout.InUse(dir); err != nil {
		t.Error(err)
	}
	if _, err := layout.Collect(t.Context(), dir, true); err != nil {
		t.Error(err)
	}
	_, err = layout.Open(dir, layout.Options{})
	if !errors.Is(err, layout.ErrLocked) || !strings.Contains(err.Error(), "by a process that only reads it") {
		t.Errorf("error is %v", err)
	}
}

// TestCloseUnlocks: Close unlocks although a process that is being started has a copy of
// the lock's descriptor.
func TestCloseUnlocks(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	found := false
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, e := range entries {
		target, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if target != filepath.Join(dir, ".quayside", "lock") {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		duplicate, err := unix.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(duplicate)
		found = true
		break
	}
	if err := l.Close(); err != nil || !found {
		t.Fatalf("lock found: %v; %v", found, err)
	}
	open(t, dir, layout.Options{})
}

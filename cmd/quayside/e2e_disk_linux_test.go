// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// mount makes a file system in memory with so many bytes of room. The test
// is skipped where that is not allowed.
func mount(t *testing.T, bytes int64) (dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounts a file system, which takes root")
	}
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// remount changes a file system that mount has made.
func remount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatal(err)
	}
}

// A disk that gets full while a copy runs ends it at once. What was committed
// is whole, and a run with more room goes on from there.
func TestCopyToAFullDisk(t *testing.T) {
	source := startRelease(t, 12, quaytest.ReleaseOptions{})
	disk := mount(t, source.unique*6/10)
	dir := filepath.Join(disk, "layout")
	args := []string{"copy", source.pattern(), "oci:" + dir, "--plain-http"}

	said := mustRun(t, 5, args...)
	if !strings.Contains(said, "no space left on device") {
		t.Errorf("it does not say what is wrong:\n%s", said)
	}
	if n := len(checkLayout(t, dir)); n == len(source.data.Repositories) {
		t.Errorf("%d images have no room there", n)
	}
	remount(t, disk, 0, fmt.Sprintf("size=%d", 2*source.unique))
	mustRun(t, 0, args...)
	if diff := cmp.Diff(source.digests(), checkLayout(t, dir)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if got := source.copied(); got > source.unique*3/2 {
		t.Errorf("%d bytes over the wire, of %d", got, source.unique)
	}
}

// A folder that cannot be written is told as such, before anything is fetched.
func TestCopyToAReadOnlyFolder(t *testing.T) {
	source := startRelease(t, 2, quaytest.ReleaseOptions{})
	disk := mount(t, 1<<20)
	remount(t, disk, syscall.MS_RDONLY, "")
	said := mustRun(t, 5, "copy", source.pattern(), "oci:"+filepath.Join(disk, "layout"), "--plain-http")
	if !strings.Contains(said, "read-only file system") {
		t.Errorf("it does not say what is wrong:\n%s", said)
	}
	if n := source.copied(); n != 0 {
		t.Errorf("%d bytes were fetched", n)
	}
}

// A whole layout on a disk that cannot be written can be verified.
func TestVerifyAReadOnlyLayout(t *testing.T) {
	source := startRelease(t, 2, quaytest.ReleaseOptions{})
	disk := mount(t, 8<<20)
	dir := filepath.Join(disk, "layout")
	mustRun(t, 0, "copy", source.pattern(), "oci:"+dir, "--plain-http")
	remount(t, disk, syscall.MS_RDONLY, "")
	mustRun(t, 0, "verify", dir)
}

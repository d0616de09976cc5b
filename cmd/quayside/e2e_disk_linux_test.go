// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/internal/disktest"
	"github.com/quayside/quayside/quay/quaytest"
)

// On a disk that is too small, the images that fit are complete, and the others are
// named. A run with more room copies the others.
func TestCopyToAFullDisk(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 12, quaytest.ReleaseOptions{})
	disk := disktest.Mount(t, source.unique*6/10)
	dir := filepath.Join(disk, "layout")
	args := []string{"copy", source.pattern(), "oci:" + dir, "--plain-http"}

	said := mustRun(t, 3, args...)
	if !strings.Contains(said, "no room on the disk") {
		t.Errorf("it does not say what is wrong:\n%s", said)
	}
	if n := len(checkLayout(t, dir)); n == 0 || n == len(source.data.Repositories) {
		t.Errorf("%d of %d images are there", n, len(source.data.Repositories))
	}
	disktest.Resize(t, disk, 2*source.unique)
	mustRun(t, 0, args...)
	if diff := cmp.Diff(source.digests(), checkLayout(t, dir)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if got := source.copied(); got > source.unique*3/2 {
		t.Errorf("%d bytes over the wire, of %d", got, source.unique)
	}
}

// The message about the disk has sizes in a unit that shows them.
func TestSmallSizesOfAFullDisk(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 1, quaytest.ReleaseOptions{Base: 300_000, Group: 100_000, Own: 60_000})
	disk := disktest.Mount(t, 256<<10)
	said := mustRun(t, 5, "copy", source.pattern(), "oci:"+filepath.Join(disk, "layout"), "--plain-http")
	if !regexp.MustCompile(`needs [0-9.]+ kB .* [0-9.]+ kB are free`).MatchString(said) {
		t.Errorf("the sizes are not in kB:\n%s", said)
	}
}

// A read-only folder is reported before anything is fetched.
func TestCopyToAReadOnlyFolder(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 2, quaytest.ReleaseOptions{})
	disk := disktest.Mount(t, 1<<20)
	disktest.ReadOnly(t, disk)
	said := mustRun(t, 5, "copy", source.pattern(), "oci:"+filepath.Join(disk, "layout"), "--plain-http")
	if !strings.Contains(said, "read-only file system") {
		t.Errorf("it does not say what is wrong:\n%s", said)
	}
	if n := source.copied(); n != 0 {
		t.Errorf("%d bytes were fetched", n)
	}
}

// A layout and an archive on a read-only disk can be verified and listed.
func TestLookAtAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 3, quaytest.ReleaseOptions{})
	disk := disktest.Mount(t, 24<<20)
	dir, file := filepath.Join(disk, "layout"), filepath.Join(disk, "release.tar")
	two := source.host + "/release/image-00000[01]:" + releaseTag
	mustRun(t, 0, "copy", two, "oci:"+dir, "--plain-http")
	mustRun(t, 0, "copy", two, "oci-archive:"+file, "--plain-http")
	if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256", strings.Repeat("0", 64)), []byte("lonely"), 0o600); err != nil {
		t.Fatal(err)
	}
	disktest.ReadOnly(t, disk)
	mustRun(t, 0, "verify", dir)
	if said := mustRun(t, 0, "layout", "gc", dir, "--dry-run"); !strings.Contains(said, "1 blob and 0 partial files would be removed, 6B;") {
		t.Errorf("what gc would do:\n%s", said)
	}
	mustRun(t, 5, "layout", "gc", dir)
	for _, to := range []string{"oci:" + dir, "oci-archive:" + file} {
		said := mustRun(t, 0, "copy", source.pattern(), to, "--plain-http", "--dry-run")
		if strings.Count(said, "already there\n") != 2 || !strings.Contains(said, "3 images to "+to) {
			t.Errorf("what a copy would do:\n%s", said)
		}
		if said := mustRun(t, 0, "copy", two, to, "--plain-http", "--dry-run"); !strings.Contains(said, " 0B are missing") {
			t.Errorf("what a copy of what is there would do:\n%s", said)
		}
	}
	mustRun(t, 0, "copy", two, "oci:"+filepath.Join(disk, "new", "layout"), "--plain-http", "--dry-run")
}

// Updating an archive needs no space if nothing is missing. Otherwise it needs space for the
// missing blobs and a second archive.
func TestRoomForAnArchive(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 3, quaytest.ReleaseOptions{})
	disk := disktest.Mount(t, 4*source.unique)
	file := filepath.Join(disk, "release.tar")
	two := source.host + "/release/image-00000[01]:" + releaseTag
	mustRun(t, 0, "copy", two, "oci-archive:"+file, "--plain-http")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	disktest.Resize(t, disk, info.Size()*3/2)
	mustRun(t, 0, "copy", two, "oci-archive:"+file, "--plain-http", "--dry-run")
	if said := mustRun(t, 3, "copy", source.pattern(), "oci-archive:"+file, "--plain-http", "--dry-run"); !strings.Contains(said, "the disk is too small for 1 of 3 images") {
		t.Errorf("it does not say what is wrong:\n%s", said)
	}
	if said := mustRun(t, 3, "copy", source.pattern(), "oci-archive:"+file, "--plain-http"); !strings.Contains(said, "no room on the disk") {
		t.Errorf("the copy does not say what is wrong:\n%s", said)
	}
}

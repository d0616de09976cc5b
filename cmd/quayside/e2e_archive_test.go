// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// A killed copy leaves an existing archive unchanged, or complete.
func TestKillsLeaveArchivesWhole(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 12, quaytest.ReleaseOptions{}, quaytest.WithObjectStorage())
	file := filepath.Join(t.TempDir(), "release.tar")
	mustRun(t, 0, "copy", source.host+"/release/image-00000[0-3]:"+releaseTag, "oci-archive:"+file, "--plain-http")
	before, err := os.ReadFile(file)
	first := unpacked(t, file)
	if err != nil || len(first) != 4 {
		t.Fatalf("%d images to begin with, %v", len(first), err)
	}
	args := []string{"copy", source.pattern(), "oci-archive:" + file, "--plain-http"}
	for killed := 0; killed < 10; {
		instant := rand.N(200 * time.Millisecond)
		finished := !kill(t, instant, args...)
		there := unpacked(t, file)
		switch {
		case cmp.Equal(there, source.digests()): // start again with the first archive
			if err := os.WriteFile(file, before, 0o600); err != nil {
				t.Fatal(err)
			}
		case finished || !cmp.Equal(there, first):
			t.Fatalf("finished: %v, killed after %v: %d images", finished, instant, len(there))
		}
		if !finished {
			killed++
		}
	}
	mustRun(t, 0, args...)
	if diff := cmp.Diff(source.digests(), unpacked(t, file)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	// A kill right after the folder was created leaves it empty, without a mark.
	if left, err := os.ReadDir(file + ".quayside"); len(left) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it leaves its folder behind, with %v: %v", left, err)
	}
}

// unpacked unpacks an archive and returns its images, like checkLayout.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return checkLayout(t, dir)
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		content, err := io.ReadAll(r)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// A docker archive omits signatures that a glob of tags matches. A signature that is
// named fails, and so does a copy that matches only signatures.
func TestDockerArchiveLeavesOutSignatureTags(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 4, quaytest.ReleaseOptions{Signed: 2})
	var signature string
	for _, r := range source.data.Repositories {
		for _, tag := range r.Tags {
			if tag.Name != releaseTag {
				signature = source.host + "/release/" + r.Name + ":" + tag.Name
			}
		}
	}
	if signature == "" {
		t.Fatal("no image is signed")
	}
	file := filepath.Join(t.TempDir(), "release.tar")
	to := "docker-archive:" + file
	mustRun(t, 0, "copy", source.host+"/release/*:*", to, "--plain-http")
	if diff := cmp.Diff(source.digests(), unpacked(t, file)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	mustRun(t, 5, "copy", signature, to, "--plain-http")
	mustRun(t, 3, "copy", signature, source.host+"/release/*:*", to, "--plain-http")
	mustRun(t, 6, "copy", source.host+"/release/*:sha256-*", to, "--plain-http")
	mustRun(t, 0, "copy", source.host+"/release/*:*", "oci-archive:"+file+".oci", "--plain-http")
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/quay/quaytest"
)

// breakReads makes each read of an open file fail, by opening a folder as its descriptor.
func breakReads(t *testing.T, file string) {
	t.Helper()
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == file {
			fd, err := strconv.Atoi(filepath.Base(link))
			if err == nil {
				err = syscall.Dup3(int(folder.Fd()), fd, syscall.O_CLOEXEC)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s is not open", file)
}

// An archive that cannot be read now is not replaced by one without its blobs.
func TestArchiveStaysIfItCannotBeRead(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "all.tar")
	f.run(opened(t, destination.OCIArchive, file), f.named("glance-api"))
	before := read(t, file)
	to := opened(t, destination.OCIArchive, file)
	small := f.image(f.images[0], f.add(ocispec.MediaTypeImageConfig, []byte(`{}`)))
	if _, err := f.copyImage(t.Context(), to, f.staged(small)); err != nil {
		t.Fatal(err)
	}
	breakReads(t, file)
	if _, err := to.Finish(t.Context(), true); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("error %v", err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, file), before) {
		t.Error("the archive was replaced")
	}
	if n := f.run(opened(t, destination.OCIArchive, file), small); n != 0 {
		t.Errorf("%d bytes were fetched again", n)
	}
}

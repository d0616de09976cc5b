// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// smallDisk makes a file system in memory with so many bytes of room. The test is
// skipped if that is not allowed.
func smallDisk(t *testing.T, bytes int64) (dir string) {
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

// On a disk for half of the images, those that fit are copied, and the others are
// named: whole images, and not a part of each.
func TestDiskForSomeImages(t *testing.T) {
	s := newSite(t, quaytest.Release(8, quaytest.ReleaseOptions{Base: 100_000, Group: 100_000, Own: 1_000_000}))
	unique, _ := s.data.BlobBytes()
	for name, open := range map[string]opener{"oci": nil, "oci-archive": mirror.ToOCIArchive, "docker-archive": mirror.ToDockerArchive} {
		t.Run(name, func(t *testing.T) {
			size := unique * 6 / 10
			if open != nil {
				size *= 2
			}
			dir := smallDisk(t, size)
			if open == nil {
				open = func(string, layout.Options) (mirror.Destination, error) {
					l, err := layout.Open(filepath.Join(dir, "oci"), layout.Options{})
					return closing{mirror.ToLayout(l), l}, err
				}
			}
			r := archived(t, open, filepath.Join(dir, "all.tar"), s.options(), s.images("2025.1"))
			if r.Copied < 3 || r.Copied > 5 || r.Copied+r.Failed != 8 || r.Fetched > unique*7/10 {
				t.Errorf("%d of %d bytes\n%s", r.Fetched, unique, show(t, r))
			}
			for _, i := range r.Images {
				if i.Status == mirror.Failed && !errors.Is(i.Cause, mirror.ErrNoRoom) {
					t.Errorf("%s: %s", i.Reference, i.Error)
				}
			}
		})
	}
}

// A liar that claims nearly all of the disk keeps no other image out: the others wait for
// what becomes of it, or it for them.
func TestClaimsOfRoomEnd(t *testing.T) {
	const disk = 40 << 20
	y := newYard(t)
	for _, name := range []string{"a", "b", "y", "z"} {
		y.tag(name, "v1", y.image(name, "linux/amd64", strings.Repeat(name, 2<<20)))
	}
	y.tag("liar", "v1", y.odd("liar", sized(y.blob("liar", "application/vnd.oci.image.layer.v1.tar", "little"), disk-4<<20)))
	s := newSite(t, y.data)
	l := newLayout(t, filepath.Join(smallDisk(t, disk), "oci"))
	r := copyTo(t, l, s.options(), s.images("v1"))
	if r.Copied != 4 || r.Failed != 1 || !strings.Contains(failed(r), "/liar:") {
		t.Error(show(t, r))
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// A disk that something else fills while the copy runs fails the image that
// needs the room. Smaller ones go on. A disk with no room at all ends the run.
func TestDiskThatFillsUp(t *testing.T) {
	for name, left := range map[string]int64{"some": 4 << 20, "none": 0} {
		t.Run(name, func(t *testing.T) {
			const disk = 40 << 20
			y := newYard(t)
			y.tag("large", "v1", y.image("large", "linux/amd64", strings.Repeat("large", 4<<20)))
			y.tag("small", "v1", y.image("small", "linux/amd64", strings.Repeat("small", 100_000)))
			s := newSite(t, y.data)
			dir := smallDisk(t, disk)
			l := newLayout(t, filepath.Join(dir, "oci"))
			o := s.options()
			o.Jobs, o.Transfers = 1, 1
			var once sync.Once
			o.Observe = func(e mirror.Event) {
				if e.Kind != mirror.BlobStarted || e.Bytes < 1<<20 {
					return
				}
				once.Do(func() {
					free, err := l.Free()
					if err == nil {
						err = os.WriteFile(filepath.Join(dir, "other"), make([]byte, free-left), 0o600)
					}
					if err != nil && left > 0 {
						t.Error(err)
					}
				})
			}
			images := s.images("v1")
			r, err := mirror.New(mirror.ToLayout(l), o).Copy(t.Context(), slices.Values(images))
			if left == 0 {
				if !errors.Is(err, syscall.ENOSPC) || r.Copied == 2 {
					t.Errorf("%v\n%s", err, show(t, r))
				}
			} else if err != nil || r.Copied != 1 || r.Failed != 1 || !strings.Contains(failed(r), "/large:") || !errors.Is(r.Images[0].Cause, mirror.ErrNoRoom) {
				t.Errorf("%v\n%s", err, show(t, r))
			}
			if err := l.Close(); err != nil && left > 0 {
				t.Error(err)
			}
		})
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/disktest"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// On a disk for half of the images, those that fit are copied whole, and the others fail
// by name.
func TestDiskForSomeImages(t *testing.T) {
	s := newSite(t, quaytest.Release(8, quaytest.ReleaseOptions{Base: 100_000, Group: 100_000, Own: 1_000_000}))
	unique, _ := s.data.BlobBytes()
	for name, open := range map[string]opener{"oci": nil, "oci-archive": destination.OCIArchive, "docker-archive": toDockerArchive} {
		t.Run(name, func(t *testing.T) {
			size := unique * 6 / 10
			if open != nil {
				size *= 2
			}
			dir := disktest.Mount(t, size)
			if open == nil {
				open = func(string, layout.Options) (destination.Destination, error) {
					l, err := layout.Open(filepath.Join(dir, "oci"), layout.Options{})
					return closing{destination.Layout(l), l}, err
				}
			}
			r := archived(t, open, filepath.Join(dir, "all.tar"), s.options(), s.images("2025.1"))
			if r.Copied < 3 || r.Copied > 5 || r.Copied+r.Failed != 8 || r.Fetched > unique*7/10 {
				t.Errorf("%d of %d bytes\n%s", r.Fetched, unique, show(t, r))
			}
			for _, i := range r.Images {
				if i.Status == mirror.Failed && !errors.Is(i.Cause, destination.ErrNoRoom) {
					t.Errorf("%s: %s", i.Reference, i.Error)
				}
			}
		})
	}
}

// An image that claims nearly all of the disk keeps no other image out: one of them waits
// until the other has ended.
func TestClaimsOfRoomEnd(t *testing.T) {
	const disk = 40 << 20
	y := newDataset(t)
	for _, name := range []string{"a", "b", "y", "z"} {
		y.tag(name, "v1", y.image(name, "linux/amd64", strings.Repeat(name, 2<<20)))
	}
	y.tag("liar", "v1", y.odd("liar", sized(y.blob("liar", "application/vnd.oci.image.layer.v1.tar", "little"), disk-4<<20)))
	s := newSite(t, y.data)
	l := newLayout(t, filepath.Join(disktest.Mount(t, disk), "oci"))
	r := copyTo(t, l, s.options(), s.images("v1"))
	if r.Copied != 4 || r.Failed != 1 || !strings.Contains(failed(r), "/liar:") {
		t.Error(show(t, r))
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// If something else fills the disk during the copy, the image that needs the room fails,
// and smaller ones are copied. A full disk ends the run.
func TestDiskThatFillsUp(t *testing.T) {
	for name, left := range map[string]int64{"some": 4 << 20, "none": 0} {
		t.Run(name, func(t *testing.T) {
			const disk = 40 << 20
			y := newDataset(t)
			y.tag("large", "v1", y.image("large", "linux/amd64", strings.Repeat("large", 4<<20)))
			y.tag("small", "v1", y.image("small", "linux/amd64", strings.Repeat("small", 100_000)))
			s := newSite(t, y.data)
			dir := disktest.Mount(t, disk)
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
			r, err := mirror.New(destination.Layout(l), o).Copy(t.Context(), slices.Values(images))
			if left == 0 {
				if !errors.Is(err, syscall.ENOSPC) || r.Copied == 2 {
					t.Errorf("%v\n%s", err, show(t, r))
				}
			} else if err != nil || r.Copied != 1 || r.Failed != 1 || !strings.Contains(failed(r), "/large:") || !errors.Is(r.Images[0].Cause, destination.ErrNoRoom) {
				t.Errorf("%v\n%s", err, show(t, r))
			}
			if err := l.Close(); err != nil && left > 0 {
				t.Error(err)
			}
		})
	}
}

// An endgame is a destination that calls a function before Finish.
type endgame struct {
	destination.Destination
	before func()
}

func (e endgame) Finish(ctx context.Context, complete bool) (map[string]error, error) {
	e.before()
	return e.Destination.Finish(ctx, complete)
}

// Images that an earlier run has staged need room for the tar. If only some of them fit,
// the others fail by name before the tar is written, and stay staged. A plan says the
// same. So it is if the disk has filled up during the run.
func TestNoRoomForStagedImages(t *testing.T) {
	s := newSite(t, quaytest.Release(8, quaytest.ReleaseOptions{Base: 100_000, Group: 100_000, Own: 1_000_000}))
	unique, _ := s.data.BlobBytes()
	images := s.images("2025.1")
	for name, open := range map[string]opener{"oci-archive": destination.OCIArchive, "docker-archive": toDockerArchive} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(name, late), func(t *testing.T) {
				dir := disktest.Mount(t, unique*4)
				file := filepath.Join(dir, "all.tar")
				stage(t, opened(t, open, file), s)
				fetched := s.blobBytes()
				other := filepath.Join(dir, "other")
				fill := func() {
					to, err := layout.Open(filepath.Join(dir, "look"), layout.Options{ReadOnly: true})
					if err != nil {
						t.Fatal(err)
					}
					free, err := to.Free()
					if err := errors.Join(err, to.Close(), os.WriteFile(other, make([]byte, free-unique*6/10), 0o600)); err != nil {
						t.Fatal(err)
					}
				}
				var planned mirror.Plan
				if !late {
					fill()
					look, err := open(file, layout.Options{ReadOnly: true})
					if err != nil {
						t.Fatal(err)
					}
					planned, err = mirror.New(look, s.options()).Plan(t.Context(), slices.Values(images))
					if err := errors.Join(err, look.Close()); err != nil {
						t.Fatal(err)
					}
				}
				to := opened(t, open, file)
				if late {
					to = endgame{to, fill}
				}
				r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(images))
				if err := errors.Join(err, to.Close()); err != nil {
					t.Fatal(err)
				}
				if r.Present < 3 || r.Present > 5 || r.Present+r.Failed != 8 {
					t.Error(show(t, r))
				}
				for n, i := range r.Images {
					failed := i.Status == mirror.Failed
					if failed != errors.Is(i.Cause, destination.ErrNoRoom) || !late && failed != errors.Is(planned.Images[n].Err, destination.ErrNoRoom) {
						t.Errorf("%s: %s; planned: %+v", i.Reference, i.Error, planned)
					}
				}
				if n := len(indexed(t, unpack(t, file))); n != r.Present {
					t.Errorf("the archive has %d images, not %d", n, r.Present)
				}
				if err := os.Remove(other); err != nil {
					t.Fatal(err)
				}
				r = archived(t, open, file, s.options(), r.FailedImages())
				if r.Failed > 0 || s.blobBytes() != fetched || len(indexed(t, unpack(t, file))) != 8 {
					t.Errorf("%d bytes were fetched\n%s", s.blobBytes()-fetched, show(t, r))
				}
			})
		}
	}
}

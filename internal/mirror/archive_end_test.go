// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// countEnds counts the final events of images, by kind.
func countEnds(o *mirror.Options, when func(mirror.Event)) map[mirror.EventKind]int {
	kinds := map[mirror.EventKind]int{}
	o.Observe = func(e mirror.Event) {
		switch e.Kind {
		case mirror.ImageCopied, mirror.ImagePresent, mirror.ImageFailed, mirror.ImagePending:
			kinds[e.Kind]++
			when(e)
		}
	}
	return kinds
}

// If the archive cannot be written, the staged images have failed, and the images of the
// old archive stay. A run for the failed images then writes them and fetches nothing.
func TestArchiveThatCannotBeWritten(t *testing.T) {
	for kind, open := range map[string]opener{".quayside": destination.OCIArchive, ".quayside-docker": toDockerArchive} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, quaytest.Release(5, quaytest.ReleaseOptions{Base: 40_000, Own: 5_000}))
			file := filepath.Join(t.TempDir(), "all.tar")
			images := s.images("2025.1")
			o := s.options()
			archived(t, open, file, o, images[:2])
			before := read(t, file)

			const why = "the archive cannot be written: rename "
			kinds := countEnds(&o, func(e mirror.Event) {
				if e.Kind == mirror.ImageFailed && !strings.Contains(e.Error, why) {
					t.Errorf("event %+v", e)
				}
			})
			to := opened(t, open, file)
			// A folder is in the way when the archive is written.
			if err := errors.Join(os.Rename(file, file+".old"), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
			r, err := mirror.New(to, o).Copy(t.Context(), slices.Values(images))
			if err == nil || !strings.Contains(err.Error(), file+": "+why) {
				t.Errorf("error %v", err)
			}
			if r.Copied != 0 || r.Present != 2 || r.Failed != 3 || r.Complete || kinds[mirror.ImageFailed] != 3 || kinds[mirror.ImagePresent] != 2 || len(kinds) != 2 {
				t.Errorf("events %v\n%s", kinds, show(t, r))
			}
			again := r.FailedImages()
			if diff := cmp.Diff(wanted(images[2:]...), wanted(again...)); diff != "" {
				t.Errorf("what is to be run again (-want +got):\n%s", diff)
			}
			if err := errors.Join(to.Close(), os.Remove(file), os.Rename(file+".old", file)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(read(t, file), before) {
				t.Error("the archive was changed")
			}

			fetched := s.blobBytes()
			kinds = countEnds(&o, func(mirror.Event) {
				if slices.Equal(read(t, file), before) {
					t.Error("an image is told of before the archive is there")
				}
			})
			r = archived(t, open, file, o, again)
			if r.Failed != 0 || !r.Complete || s.blobBytes() != fetched || kinds[mirror.ImageFailed] != 0 {
				t.Errorf("again: %d bytes were fetched, events %v\n%s", s.blobBytes()-fetched, kinds, show(t, r))
			}
			if diff := cmp.Diff(wanted(images...), indexed(t, unpack(t, file))); diff != "" {
				t.Errorf("index is not that of the images (-want +got):\n%s", diff)
			}
			gone(t, file+kind)
		})
	}
}

// This destination ends the run once an image is committed.
type deferring struct {
	destination.Destination
	committed func()
}

func (g deferring) Commit(ctx context.Context, s destination.Staged) error {
	err := g.Destination.Commit(ctx, s)
	g.committed()
	return err
}

// stage copies all images of a site that have the newest tag, and ends before the
// archive is written.
func stage(t *testing.T, to destination.Destination, s *site) {
	t.Helper()
	images := s.images("2025.1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var left atomic.Int64
	left.Store(int64(len(images)))
	_, err := mirror.New(deferring{to, func() {
		if left.Add(-1) == 0 {
			cancel()
		}
	}}, s.options()).Copy(ctx, slices.Values(images))
	if n := len(to.Staging().Images()); !errors.Is(err, context.Canceled) || n != len(images) {
		t.Fatalf("%v, %d images are staged", err, n)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}

// An image is not copied either if the run is interrupted before the archive is written.
func TestArchiveThatIsNotComeTo(t *testing.T) {
	s := newSite(t, small())
	file := filepath.Join(t.TempDir(), "all.tar")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := s.options()
	kinds := countEnds(&o, func(mirror.Event) {})
	to := opened(t, destination.OCIArchive, file)
	images := s.images("2025.1")
	r, err := mirror.New(deferring{to, cancel}, o).Copy(ctx, slices.Values(images))
	if !errors.Is(err, context.Canceled) || len(to.Staging().Images()) == 0 {
		t.Fatalf("%v, %d images are staged", err, len(to.Staging().Images()))
	}
	if r.Pending != len(images) || kinds[mirror.ImagePending] != len(images) || len(r.FailedImages()) != len(images) {
		t.Errorf("events %v\n%s", kinds, show(t, r))
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
	archived(t, destination.OCIArchive, file, s.options(), r.FailedImages())
	if diff := cmp.Diff(wanted(images...), indexed(t, unpack(t, file))); diff != "" {
		t.Errorf("index is not that of the images (-want +got):\n%s", diff)
	}
}

// What a killed run has staged for an archive of one kind is not used for the other kind,
// and is there for the next run of its own kind.
func TestKindsOfArchivesAreStagedApart(t *testing.T) {
	f := newImageSet(t, quaytest.SampleTag)
	index, plain := f.named("nova-compute"), f.named("keystone")
	amd64 := f.staged(index, "amd64")
	amd64.Sparse = true
	for name, test := range map[string]struct {
		killed, other opener
		first         destination.Staged
	}{
		"oci":    {destination.OCIArchive, toDockerArchive, f.staged(index)},
		"docker": {toDockerArchive, destination.OCIArchive, amd64},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "all.tar")
			to := opened(t, test.killed, file)
			if _, err := f.copyImage(t.Context(), to, test.first); err != nil {
				t.Fatal(err)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			f.run(opened(t, test.other, file), plain)
			if diff := cmp.Diff(wanted(plain), indexed(t, unpack(t, file))); diff != "" {
				t.Errorf("index is not that of the image (-want +got):\n%s", diff)
			}
			if err := os.Remove(file); err != nil { // or moved away
				t.Fatal(err)
			}
			if n := f.runStaged(opened(t, test.killed, file), test.first); n != 0 {
				t.Errorf("%d bytes were fetched once more", n)
			}
			if got := indexed(t, unpack(t, file)); len(got) != 1 || got[index.Reference()] == "" {
				t.Errorf("index is %v", got)
			}
			gone(t, file+".quayside", file+".quayside-docker")
		})
	}
}

// One process at a time writes an archive, of either kind.
func TestKindsOfArchivesKeepEachOtherOut(t *testing.T) {
	kinds := []opener{destination.OCIArchive, toDockerArchive}
	for i, open := range kinds {
		file := filepath.Join(t.TempDir(), "all.tar")
		first := opened(t, open, file)
		_, err := kinds[1-i](file, layout.Options{})
		if !errors.Is(err, layout.ErrLocked) || !strings.Contains(err.Error(), file) {
			t.Errorf("error is %v", err)
		}
		if to, err := kinds[1-i](file, layout.Options{ReadOnly: true}); err != nil {
			t.Errorf("to look: %v", err)
		} else if err := to.Close(); err != nil {
			t.Error(err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		gone(t, file+".quayside", file+".quayside-docker")
	}
}

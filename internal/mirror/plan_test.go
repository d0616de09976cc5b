// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

func plan(t *testing.T, l *layout.Layout, o mirror.Options, images []mirror.Image) mirror.Plan {
	t.Helper()
	p, err := mirror.New(destination.Layout(l), o).Plan(t.Context(), slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanSaysWhatACopyTakes(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	dir := t.TempDir()
	l := newLayout(t, dir)
	images := s.images(quaytest.SampleTag)
	p := plan(t, l, s.options(), images)
	if sent := s.blobBytes(); sent != 0 {
		t.Errorf("a plan fetched %d bytes of blobs", sent)
	}
	if len(p.Images) != len(images) || p.Missing != p.Bytes || p.Present != 0 || p.Free <= 0 || p.Shared <= p.Bytes {
		t.Errorf("plan %+v", p)
	}
	r := copyTo(t, l, s.options(), images)
	if p.Bytes != r.Bytes || p.Missing != r.Fetched || p.Blobs != r.Blobs || p.Shared != r.Saved {
		t.Errorf("planned %d bytes, %d missing, %d blobs, %d shared; the copy took %d, %d, %d, %d",
			p.Bytes, p.Missing, p.Blobs, p.Shared, r.Bytes, r.Fetched, r.Blobs, r.Saved)
	}
	for i, planned := range p.Images {
		if copied := r.Images[i]; planned.Reference() != copied.Reference || planned.Bytes != copied.Bytes || planned.Digest != copied.Digest {
			t.Errorf("planned %+v, copied %+v", planned, copied)
		}
	}

	before := s.server.Stats().Requests
	again := plan(t, l, s.options(), images)
	if again.Missing != 0 || again.Present != p.Bytes || again.Bytes != p.Bytes {
		t.Errorf("after the copy: %+v", again)
	}
	for _, i := range again.Images {
		if !i.Present || i.Missing != 0 {
			t.Errorf("%s is not there", i.Reference())
		}
	}
	if asked := s.server.Stats().Requests - before; asked != 0 {
		t.Errorf("%d requests for what is there", asked)
	}
}

func TestPlanWritesNothing(t *testing.T) {
	y, _, _ := multi(t)
	y.tag("single", "v1", y.image("single", "linux/amd64", "layer"))
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Platforms = platforms(t, mirror.RewrittenIndex, "linux/amd64")
	p := plan(t, l, o, s.images("v1"))
	for _, i := range p.Images {
		if i.Err != nil || len(i.Platforms) != 1 || i.Platforms[0].Architecture != "amd64" {
			t.Errorf("planned %+v", i)
		}
	}
	blobs, err := filepath.Glob(filepath.Join(l.Dir(), "blobs", "*", "*"))
	if err != nil || len(blobs) > 0 {
		t.Errorf("a plan left %v (%v)", blobs, err)
	}
	whole(t, l, copyTo(t, l, o, s.images("v1")), 2)
}

func TestPlanNamesWhatFails(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	images := s.images(quaytest.SampleTag)[:2]
	images[0].Repository = "stackfleet/nothing-here"
	p := plan(t, newLayout(t, t.TempDir()), s.options(), images)
	bad := slices.IndexFunc(p.Images, func(i mirror.PlannedImage) bool { return strings.Contains(i.Repository, "nothing") })
	if p.Images[bad].Err == nil || p.Images[1-bad].Err != nil || p.Images[1-bad].Missing == 0 {
		t.Errorf("plan %+v", p.Images)
	}
}

// An asked destination is a layout that reports when it is asked.
type asked struct {
	destination.Destination
	has   func()
	needs func(mirror.Image) error
}

func (a asked) Has(ctx context.Context, s destination.Staged) (destination.Found, error) {
	a.has()
	return a.Destination.Has(ctx, s)
}

func (a asked) NeedsBlob(ctx context.Context, i mirror.Image, d ocispec.Descriptor) (bool, error) {
	if a.needs != nil {
		if err := a.needs(i); err != nil {
			return false, err
		}
	}
	return a.Destination.NeedsBlob(ctx, i, d)
}

// A plan and a copy refuse the same images: a docker archive has no place for an image
// of several platforms, a chart, or a layer that is not one.
func TestPlanRefusesWhatACopyRefuses(t *testing.T) {
	y := newTarDataset(t)
	y.tag("good", "v1", y.image("good", "linux/amd64", "good"))
	y.tag("multi", "v1", y.index("multi", y.image("multi", "linux/amd64", "amd64"), y.image("multi", "linux/arm64", "arm64")))
	y.tag("chart", "v1", y.artifact("chart", nil, "chart"))
	y.tag("odd", "v1", y.odd("odd", y.blob("odd", "text/plain", "odd")))
	s := newSite(t, y.data)
	file := filepath.Join(t.TempDir(), "all.tar")
	look, err := toDockerArchive(file, layout.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := mirror.New(look, s.options()).Plan(t.Context(), slices.Values(s.images("v1")))
	if err := errors.Join(err, look.Close()); err != nil {
		t.Fatal(err)
	}
	r := archived(t, toDockerArchive, file, s.options(), s.images("v1"))
	for n, i := range r.Images {
		if why := p.Images[n].Err; (why == nil) != (i.Cause == nil) || why != nil && why.Error() != i.Error {
			t.Errorf("%s: planned: %v, copied: %v", i.Reference, why, i.Cause)
		}
	}
	if r.Copied != 1 || r.Failed != 3 {
		t.Error(show(t, r))
	}
}

// A cancelled plan does not wait for the images that were not examined yet.
func TestCancelledPlanEnds(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset(), quaytest.WithLatency(20*time.Millisecond))
	l := newLayout(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	images := s.images(quaytest.SampleTag)
	fed, n := make(chan struct{}), 0
	to := asked{Destination: destination.Layout(l), has: func() {
		<-fed
		if n++; n == 3 { // two images later, and most are left
			cancel()
		}
	}}
	o := s.options()
	o.Jobs = 1
	ended := make(chan error, 1)
	go func() {
		_, err := mirror.New(to, o).Plan(ctx, func(yield func(mirror.Image) bool) {
			defer close(fed)
			for _, i := range images {
				if !yield(i) {
					return
				}
			}
		})
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it has not ended")
	}
}

// If one image cannot ask the destination for a blob, the others that need the blob do
// not fail.
func TestPlanOneImagesTrouble(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	images := s.images(quaytest.SampleTag)
	to := asked{Destination: destination.Layout(newLayout(t, t.TempDir())), has: func() {}}
	to.needs = func(i mirror.Image) error {
		if i == images[0] {
			return errors.New("a bad day")
		}
		return nil
	}
	o := s.options()
	o.Jobs = 1 // the first one comes first
	p, err := mirror.New(to, o).Plan(t.Context(), slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range p.Images {
		if i.Err != nil || i.Missing != i.Bytes {
			t.Errorf("%s: %v", i.Reference(), i.Err)
		}
	}
}

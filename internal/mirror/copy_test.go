// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestCopyBringsEveryByteOnce(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)
	r := copyTo(t, l, s.options(), images)
	whole(t, l, r, len(images))
	for _, i := range images {
		e, there := l.Image(i.Reference())
		if !there || e.Descriptor.Digest != i.Digest {
			t.Errorf("%s stands for %s, and not for %s", i.Reference(), e.Descriptor.Digest, i.Digest)
		}
	}
	if r.Fetched != r.Bytes || r.Retried != 0 || r.Saved <= r.Bytes {
		t.Errorf("fetched %d bytes of %d, %d wasted, %d saved", r.Fetched, r.Bytes, r.Retried, r.Saved)
	}
	var first int64
	for _, i := range r.Images {
		first += i.Fetched
	}
	if first != r.Bytes {
		t.Errorf("images were the first to fetch %d bytes of %d", first, r.Bytes)
	}
	of := s.server.Stats().Classes
	if got := of["blob"].Bytes + of["manifest"].Bytes; got != r.Bytes {
		t.Errorf("the server sent %d bytes of blobs and manifests, and %d are unique", got, r.Bytes)
	}
	// One image is an index of two.
	if of["blob"].Requests != int64(r.Blobs) || of["manifest"].Requests != int64(len(images))+2 {
		t.Errorf("%d requests for %d blobs, %d for the manifests of %d images", of["blob"].Requests, r.Blobs, of["manifest"].Requests, len(images))
	}
}

func TestSecondCopyAsksForNothing(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	copyTo(t, l, o, images)
	before := s.server.Stats().Requests
	r := copyTo(t, l, o, images)
	if r.Present != len(images) || !r.Complete || r.Fetched != 0 {
		t.Errorf("want all there already, have\n%s", show(t, r))
	}
	if asked := s.server.Stats().Requests - before; asked != 0 {
		t.Errorf("%d requests", asked)
	}
}

func TestMovedTagFetchesWhatIsNew(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	copyTo(t, l, s.options(), s.images("2024.2"))
	images := s.images(quaytest.SampleTag)
	for i := range images {
		images[i].Tag = "2024.2" // as if it had moved
	}
	r := copyTo(t, l, s.options(), images)
	whole(t, l, r, len(images))
	if r.Fetched >= r.Bytes {
		t.Errorf("fetched %d bytes of %d: the base layer is there", r.Fetched, r.Bytes)
	}
	for _, i := range images {
		if e, _ := l.Image(i.Reference()); e.Descriptor.Digest != i.Digest {
			t.Errorf("%s is the old one", i.Reference())
		}
	}
}

// The sequence yields the second image only after the first one was copied: nothing waits
// until all images are examined.
func TestImagesAreCommittedWhileOthersAreFound(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)[:3]
	copied := make(chan string, len(images))
	o := s.options()
	o.Observe = func(e mirror.Event) {
		if e.Kind == mirror.ImageCopied {
			copied <- e.Image
		}
	}
	c := mirror.New(destination.Layout(l), o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := c.Copy(ctx, func(yield func(mirror.Image) bool) {
		for _, i := range images {
			if !yield(i) {
				return
			}
			if p := c.Progress(); !p.Planning {
				t.Error("planning is said to be over")
			}
			select {
			case name := <-copied:
				if _, there := l.Image(name); name != i.Reference() || !there {
					t.Errorf("%s is said to be copied", name)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, l, r, len(images))
	if p := c.Progress(); p.Planning || p.Done != len(images) || p.Fetched != p.Bytes || len(p.Running) > 0 {
		t.Errorf("progress at the end: %+v", p)
	}
}

func TestNamesThatComeTwiceCountOnce(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)[:2]
	whole(t, l, copyTo(t, l, s.options(), slices.Concat(images, images)), 2)
}

func TestTagIsResolvedWithoutADigest(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	image := s.images(quaytest.SampleTag)[0]
	want := image.Digest
	image.Digest = ""
	r := copyTo(t, l, s.options(), []mirror.Image{image})
	whole(t, l, r, 1)
	if r.Images[0].Digest != want {
		t.Errorf("digest %s, want %s", r.Images[0].Digest, want)
	}
}

func TestOneFailureIsNamedAndTheRestGoesOn(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)
	good := len(images)
	gone := mirror.Image{Host: s.host, Repository: "stackfleet/nothing-here", Tag: "2025.1", Digest: images[0].Digest}
	bad := mirror.Image{Host: s.host, Repository: "stackfleet/../../etc", Tag: "2025.1", Digest: images[0].Digest}
	wrong := images[0]
	wrong.Tag, wrong.Digest = "another", digest.FromString("another")
	r := copyTo(t, l, s.options(), append([]mirror.Image{gone, bad, wrong}, images...))
	if r.Copied != good || r.Failed != 3 || r.Complete {
		t.Fatalf("have\n%s", show(t, r))
	}
	for _, i := range r.Images {
		if i.Status == mirror.Failed && i.Error == "" {
			t.Errorf("%s failed of nothing", i.Reference)
		}
	}
	for _, i := range []mirror.Image{gone, bad, wrong} {
		if !strings.Contains(failed(r), i.Reference()) {
			t.Errorf("%s did not fail", i.Reference())
		}
	}
	if got := r.FailedImages(); len(got) != 2 || got[0] != wrong || got[1] != gone {
		t.Errorf("to be run again: %v", got)
	}
}

func TestCancelledCopyEndsAndNamesWhatIsLeft(t *testing.T) {
	data := quaytest.Release(8, quaytest.ReleaseOptions{Base: 2e6, Group: 1e6, Groups: 2, Own: 500e3})
	s := newSite(t, data, quaytest.WithByteRate(10e6), quaytest.WithQuirk("blob-range", ""))
	l := newLayout(t, t.TempDir())
	images := s.images("2025.1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	o := s.options()
	events := map[mirror.EventKind]int{}
	o.Observe = func(e mirror.Event) {
		events[e.Kind]++
		if e.Kind == mirror.BlobDone && e.Bytes > 64<<10 {
			once.Do(cancel)
		}
	}
	began := time.Now()
	r, err := mirror.New(destination.Layout(l), o).Copy(ctx, slices.Values(images))
	if !errors.Is(err, context.Canceled) || time.Since(began) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	// What was not finished is pending, and nothing of it has failed.
	if r.Complete || r.Pending == 0 || r.Failed != 0 || r.Copied+r.Pending != len(images) || len(r.FailedImages()) != r.Pending ||
		events[mirror.ImagePending] != r.Pending || events[mirror.ImageFailed] != 0 {
		t.Errorf("have\n%s", show(t, r))
	}

	// A run that was interrupted has wasted nothing.
	sent := s.blobBytes()
	again := copyTo(t, l, s.options(), images)
	whole(t, l, again, len(images)-r.Copied)
	// What was on its way when the connection was closed is sent again.
	unique, _ := s.data.BlobBytes()
	if total := s.blobBytes(); sent < unique/10 || total > unique+unique/10 {
		t.Errorf("%d bytes of blobs in both runs, and %d are unique", total, unique)
	}
}

func TestOptionsThatContradictThemselves(t *testing.T) {
	l := newLayout(t, t.TempDir())
	linux, err := mirror.ParsePlatform("linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []mirror.Options{
		{Platforms: mirror.Platforms{Only: []ocispec.Platform{linux}}},
		{Platforms: mirror.Platforms{Index: "none"}},
		{Signatures: "some"},
	} {
		if _, err := mirror.New(destination.Layout(l), o).Copy(t.Context(), slices.Values([]mirror.Image{})); err == nil {
			t.Errorf("%+v is taken", o)
		}
		if _, err := mirror.New(destination.Layout(l), o).Plan(t.Context(), slices.Values([]mirror.Image{})); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

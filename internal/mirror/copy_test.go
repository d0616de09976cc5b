// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"testing"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestCopyBringsEveryByteOnce(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)
	r := copyTo(t, l, s.options(), images)
	whole(t, l, r, len(images))

	var unique int64
	seen := map[string]bool{}
	for _, e := range l.Images() {
		if !seen[e.Name] {
			seen[e.Name] = true
		}
	}
	for _, i := range images {
		e, there := l.Image(i.Reference())
		if !there || e.Descriptor.Digest != i.Digest {
			t.Errorf("%s stands for %s, and not for %s", i.Reference(), e.Descriptor.Digest, i.Digest)
		}
	}
	if r.Fetched != r.Bytes || r.Retried != 0 {
		t.Errorf("fetched %d bytes of %d, %d in vain", r.Fetched, r.Bytes, r.Retried)
	}
	of := s.server.Stats().Classes
	if got := of["blob"].Bytes + of["manifest"].Bytes; got != r.Bytes {
		t.Errorf("the server sent %d bytes of blobs and manifests, and %d are unique", got, r.Bytes)
	}
	if of["blob"].Requests != int64(r.Blobs) || of["manifest"].Requests > int64(len(images))+3 {
		t.Errorf("%d requests for %d blobs, %d for the manifests of %d images", of["blob"].Requests, r.Blobs, of["manifest"].Requests, len(images))
	}
	_ = unique
}

func TestSecondCopyAsksForNothing(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	images := s.images(quaytest.SampleTag)
	copyTo(t, l, s.options(), images)
	before := s.server.Stats().Requests
	r := copyTo(t, l, s.options(), images)
	if r.Present != len(images) || !r.Complete || r.Fetched != 0 {
		t.Errorf("want all there already, have\n%s", show(t, r))
	}
	if asked := s.server.Stats().Requests - before; asked != 0 {
		t.Errorf("%d requests", asked)
	}
	_ = mirror.Present
}

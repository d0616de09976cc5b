// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// An image that does not fit on the disk fails by name before any of it is fetched, and
// the others are copied. A plan says the same.
func TestNoRoomForOneImage(t *testing.T) {
	y := newTarDataset(t)
	y.tag("one", "v1", y.image("one", "linux/amd64", "a layer"))
	y.tag("huge", "v1", y.huge())
	y.tag("other", "v1", y.image("other", "linux/amd64", "another layer"))
	s := newSite(t, y.data, quaytest.WithLatency(10*time.Millisecond))
	dir := t.TempDir()
	if free, err := newLayout(t, dir).Free(); err != nil || free >= huge {
		t.Skipf("the disk has room for %d bytes (%v)", free, err)
	}
	for name, open := range map[string]opener{
		"oci-archive": destination.OCIArchive, "docker-archive": toDockerArchive,
		"oci": func(_ string, o layout.Options) (destination.Destination, error) {
			l, err := layout.Open(filepath.Join(dir, "oci"), o)
			return closing{destination.Layout(l), l}, err
		},
	} {
		file := filepath.Join(dir, name+".tar")
		look, err := open(file, layout.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		p, err := mirror.New(look, s.options()).Plan(t.Context(), slices.Values(s.images("v1")))
		if err := errors.Join(err, look.Close()); err != nil {
			t.Fatal(err)
		}
		r := archived(t, open, file, s.options(), s.images("v1"))
		if r.Copied != 2 || r.Failed != 1 || r.Error != "" {
			t.Errorf("%s:\n%s", name, show(t, r))
		}
		var sum int64
		for n, i := range r.Images {
			bad := strings.Contains(i.Reference, "/huge:")
			if bad != errors.Is(i.Cause, destination.ErrNoRoom) || bad != errors.Is(p.Images[n].Err, destination.ErrNoRoom) || !bad && p.Images[n].Err != nil {
				t.Errorf("%s: %s: copied: %v, planned: %v", name, i.Reference, i.Cause, p.Images[n].Err)
			}
			if !bad {
				sum += i.Bytes
			}
		}
		if p.Bytes+p.Shared != sum || p.Missing != p.Bytes {
			t.Errorf("%s: plan is %+v, and %d bytes were copied", name, p, sum)
		}
	}
}

// huge is the size of a layer that does not fit on any disk here, in bytes.
const huge = 1 << 40

var hugeLayer = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString("huge"), Size: huge}

// huge makes an image with a layer that does not exist.
func (y *dataset) huge() ocispec.Descriptor {
	return y.manifest("huge", ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest,
		"config": y.blob("huge", ocispec.MediaTypeImageConfig, "{}"), "layers": []ocispec.Descriptor{hugeLayer},
	})
}

// A planned handler is called with the number of missing bytes once all images were
// examined.
type planned struct {
	slog.Handler
	told func(missing int64)
}

func (planned) Enabled(context.Context, slog.Level) bool { return true }

func (p planned) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "planned" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "missing_bytes" {
				p.told(a.Value.Int64())
			}
			return true
		})
	}
	return nil
}

// The bytes of a partial file need no room, whether the file is open or not.
func TestPartialFilesNeedNoRoom(t *testing.T) {
	const left = 1000
	y := newDataset(t)
	y.tag("huge", "v1", y.huge())
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	p, err := l.Partial(t.Context(), hugeLayer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("h")); err != nil {
		t.Fatal(err)
	}
	partial, err := filepath.Glob(filepath.Join(l.Dir(), ".quayside", "*", "sha256-*"))
	if err != nil || len(partial) != 1 {
		t.Fatal(partial, err)
	}
	// A file with a hole, which takes an hour to hash.
	if err := errors.Join(p.Close(), os.Truncate(partial[0], huge-left)); err != nil {
		t.Skip(err)
	}
	plan := plan(t, l, s.options(), s.images("v1"))
	if i := plan.Images[0]; plan.Missing != plan.Bytes-huge+left || plan.Present != huge-left || i.Missing != plan.Missing || i.Bytes != plan.Bytes {
		t.Errorf("plan is %+v", plan)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := s.options()
	told := int64(-1)
	o.Logger = slog.New(planned{slog.DiscardHandler, func(missing int64) {
		told = missing
		cancel()
	}})
	if _, err := mirror.New(destination.Layout(l), o).Copy(ctx, slices.Values(s.images("v1"))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if want := int64(left + len("{}")); told < left || told > want {
		t.Errorf("%d bytes are said to be missing, of %d or %d", told, int64(left), want)
	}
}

// A blob that no image needs any more needs no room.
func TestFailedImagesNeedNoRoom(t *testing.T) {
	y := newDataset(t)
	gone := y.image("huge", "linux/arm64", "never asked for")
	y.tag("huge", "v1", y.index("huge", y.huge(), gone))
	s := newSite(t, y.data, quaytest.WithQuirk("outage", "1000:403:/v2/yard/huge/manifests/"+gone.Digest.String()))
	over := make(chan struct{})
	o := heldTransport{
		until: func(path string) {
			if strings.HasSuffix(path, hugeLayer.Digest.String()) {
				<-over // on its way, while the other half of its image cannot be had
			}
		},
		after: func(string) {},
	}.options(s)
	told := int64(-1)
	o.Logger = slog.New(planned{slog.DiscardHandler, func(missing int64) {
		told = missing
		close(over)
	}})
	r, err := mirror.New(destination.Layout(newLayout(t, t.TempDir())), o).Copy(t.Context(), slices.Values(s.images("v1")))
	if err != nil || r.Failed != 1 || told != 0 {
		t.Errorf("%d bytes are said to be missing, %v\n%s", told, err, show(t, r))
	}
}

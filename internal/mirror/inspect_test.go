// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

func inspect(t *testing.T, s *site, i mirror.Image) (mirror.Info, error) {
	t.Helper()
	r, err := s.options().Registry(s.host)
	if err != nil {
		t.Fatal(err)
	}
	return mirror.Inspect(t.Context(), r, i)
}

func TestInspectTellsWhatAnImageIsMadeOf(t *testing.T) {
	y, index, children := multi(t)
	single := y.image("single", "linux/arm64", "layer", "another")
	y.tag("single", "v1", single)
	y.tag("chart", "v1", y.artifact("chart", nil, "a chart"))
	s := newSite(t, y.data)

	info, err := inspect(t, s, mirror.Image{Host: s.host, Repository: "yard/multi", Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if info.Reference != s.host+"/yard/multi:v1" || info.Digest != index.Digest || info.MediaType != index.MediaType || len(info.Images) != 3 {
		t.Fatalf("index: %+v", info)
	}
	for n, p := range []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v7"} {
		i := info.Images[n]
		if i.Digest != children[p].Digest || i.Platform.Architecture != children[p].Platform.Architecture || len(i.Layers) != 2 ||
			i.Labels["of"] != "multi" || !i.Created.Equal(time.Date(2025, 4, 2, 9, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %+v", p, i)
		}
	}

	info, err = inspect(t, s, mirror.Image{Host: s.host, Repository: "yard/single", Tag: "v1", Digest: single.Digest})
	if err != nil {
		t.Fatal(err)
	}
	if i := info.Images[0]; len(info.Images) != 1 || i.Platform.Architecture != "arm64" || i.Layers[0].Digest != digest.FromString("layer") ||
		i.Size <= int64(len("layer")+len("another")) {
		t.Errorf("single: %+v", info)
	}
	if sent := s.server.Stats().Classes["blob"].Requests; sent != 4 {
		t.Errorf("%d blobs were asked for, and there are 4 configurations", sent)
	}

	info, err = inspect(t, s, mirror.Image{Host: s.host, Repository: "yard/chart", Tag: "v1"})
	if err != nil || len(info.Images) != 1 || info.Images[0].Platform.OS != "" {
		t.Errorf("chart: %+v, %v", info, err)
	}
}

func TestInspectChecksWhatItReads(t *testing.T) {
	y := newDataset(t)
	y.tag("app", "v1", y.image("app", "linux/amd64", "a"))
	s := newSite(t, y.data, quaytest.WithQuirk("wrong-bytes", "/v2/**/blobs/*"))
	image := mirror.Image{Host: s.host, Repository: "yard/app", Tag: "v1"}
	if info, err := inspect(t, s, image); err == nil || !strings.Contains(err.Error(), image.Reference()) {
		t.Errorf("%+v, %v", info, err)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
)

// gzipped and zstded are a layer's compressed forms.
func gzipped(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, content string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(content), nil)
}

// A loadTest describes one image for a docker archive.
type loadTest struct {
	config     string // "%" stands for the diff_ids
	configType string
	layerType  string
	diffs      []string // digests; nil: those that fit
	layers     [][]byte
	tars       []string // what the layers hold
}

func (b loadTest) image(f *imageSet, i mirror.Image) mirror.Image {
	diffs := b.diffs
	if diffs == nil {
		for _, content := range b.tars {
			diffs = append(diffs, digest.FromString(content).String())
		}
	}
	if diffs == nil {
		diffs = []string{}
	}
	list, err := json.Marshal(diffs)
	if err != nil {
		f.t.Fatal(err)
	}
	config := b.config
	if config == "" {
		config = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":%}}`
	}
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	var layers []ocispec.Descriptor
	for _, l := range b.layers {
		layers = append(layers, f.add(or(b.layerType, ocispec.MediaTypeImageLayerGzip), l))
	}
	return f.image(i, f.add(or(b.configType, ocispec.MediaTypeImageConfig), []byte(strings.Replace(config, "%", string(list), 1))), layers...)
}

// Docker load stops at the first image that it refuses. Each such image fails alone and by
// name, and the archive has the others. The next run reports the same.
func TestDockerArchiveRefusesWhatDockerDoesNotLoad(t *testing.T) {
	f := newImageSet(t, "2025.1")
	one, two := tarText("one"), tarText("two")
	z := gzipped(t, one)
	good := [][]byte{z}
	tars := []string{one}
	file := filepath.Join(t.TempDir(), "all.tar")
	bad := map[string]struct {
		loadTest
		want string
	}{
		"empty-config":  {loadTest{config: `{}`, layers: good, tars: tars}, "no rootfs"},
		"no-json":       {loadTest{config: `plain text`, layers: good}, "parsed"},
		"null":          {loadTest{config: `null`, layers: good}, "no rootfs"},
		"array":         {loadTest{config: `[]`, layers: good}, "JSON array, not a JSON object"},
		"other-json":    {loadTest{config: `{"rootfs":"layers"}`, layers: good}, "RootFS cannot be string"},
		"created":       {loadTest{config: `{"created":"yesterday","rootfs":{"diff_ids":%}}`, layers: good, tars: tars}, "parsed"},
		"freebsd":       {loadTest{config: `{"os":"freebsd","rootfs":{"diff_ids":%}}`, layers: good, tars: tars}, "freebsd"},
		"history":       {loadTest{config: `{"history":[{},{}],"rootfs":{"diff_ids":%}}`, layers: good, tars: tars}, "history"},
		"few":           {loadTest{layers: [][]byte{z, gzipped(t, two)}, tars: tars}, "1 diff_ids, for 2 layers"},
		"many":          {loadTest{layers: good, tars: []string{one, two}}, "2 diff_ids, for 1 layers"},
		"wrong":         {loadTest{layers: good, tars: []string{two}}, "unpacks to"},
		"no-digest":     {loadTest{layers: good, diffs: []string{"md5:0"}}, "SHA-256"},
		"no-tar":        {loadTest{layers: [][]byte{[]byte(`{"critical":{}}`)}, tars: []string{`{"critical":{}}`}}, "tar"},
		"no-tar-gzip":   {loadTest{layers: [][]byte{gzipped(t, "text")}, tars: []string{"text"}}, "tar"},
		"half-gzip":     {loadTest{layers: [][]byte{z[:len(z)-12]}, tars: tars}, "unpacked"},
		"half-tar":      {loadTest{layers: [][]byte{gzipped(t, one[:513])}, tars: []string{one[:513]}}, "tar"},
		"half-zstd":     {loadTest{layers: [][]byte{zstded(t, one)[:20]}, tars: tars}, "unpacked"},
		"xz":            {loadTest{layers: [][]byte{[]byte("\xfd7zXZ\x00rest")}, tars: tars}, "xz"},
		"manifest":      {loadTest{layerType: ocispec.MediaTypeImageManifest, layers: good, tars: tars}, "cannot unpack"},
		"signature":     {loadTest{layerType: "application/vnd.dev.cosign.simplesigning.v1+json", layers: good, tars: tars}, "cannot unpack"},
		"no-manifest":   {loadTest{layerType: "application/vnd.docker.distribution.manifest.v2+json", layers: [][]byte{[]byte("bytes")}, tars: []string{"bytes"}}, "cannot unpack"},
		"skippable":     {loadTest{layers: [][]byte{[]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00")}, tars: tars}, "unpacked"},
		"encrypted":     {loadTest{layerType: ocispec.MediaTypeImageLayerGzip + "+encrypted", layers: good, tars: tars}, "cannot unpack"},
		"large-config":  {loadTest{config: `{"author":"` + strings.Repeat("x", manifest.MaxSize) + `","rootfs":{"diff_ids":%}}`, layers: good, tars: tars}, "limit"},
		"octet-no-json": {loadTest{configType: "application/octet-stream", config: "text", layers: good}, "parsed"},
		"wasm":          {loadTest{configType: "application/vnd.wasm.config.v0+json", layers: good, tars: tars}, "wasm"},
	}
	fine := map[string]loadTest{
		"gzip":        {layers: good, tars: tars},
		"zstd":        {layerType: ocispec.MediaTypeImageLayerZstd, layers: [][]byte{zstded(t, one)}, tars: tars},
		"plain":       {layerType: ocispec.MediaTypeImageLayer, layers: [][]byte{[]byte(two)}, tars: []string{two}},
		"octet":       {configType: "application/octet-stream", layers: good, tars: tars},
		"twice":       {layers: [][]byte{z, z}, tars: []string{one, one}},
		"scratch":     {},
		"empty-layer": {layers: [][]byte{gzipped(t, "")}, tars: []string{""}},
		"no-bytes":    {layers: [][]byte{{}}, tars: []string{""}},
		// A seekable layer is several gzip streams one after another (eStargz), or zstd
		// frames with skippable ones between them (zstd:chunked).
		"estargz":     {layers: [][]byte{slices.Concat(gzipped(t, one[:512]), gzipped(t, one[512:]), gzipped(t, ""))}, tars: tars},
		"chunked":     {layerType: ocispec.MediaTypeImageLayerZstd, layers: [][]byte{slices.Concat(zstded(t, one), []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00meta"))}, tars: tars},
		"mislabelled": {layerType: ocispec.MediaTypeImageLayerGzip, layers: [][]byte{[]byte(one), zstded(t, two)}, tars: []string{one, two}},
	}
	for range 2 {
		to := opened(t, toDockerArchive, file)
		for name, test := range bad {
			i := test.image(f, mirror.Image{Host: "quay.example", Repository: "bad/" + name, Tag: "1"})
			if _, err := f.copyImage(t.Context(), to, f.staged(i)); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "oci-archive") {
				t.Errorf("%s: error is %v, and does not say %q and what to do", name, err, test.want)
			}
		}
		var images []mirror.Image
		for name, b := range fine {
			i := b.image(f, mirror.Image{Host: "quay.example", Repository: "good/" + name, Tag: "1"})
			if _, err := f.copyImage(t.Context(), to, f.staged(i)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			images = append(images, i)
		}
		left, err := to.Finish(t.Context(), true)
		if err := errors.Join(err, to.Close()); err != nil {
			t.Fatal(err)
		}
		files := unpack(t, file)
		if got := indexed(t, files); len(got) != len(images) || len(left) != 0 {
			t.Errorf("index is %v", got)
		}
		var names int
		var loads []loadable
		if err := json.Unmarshal(files["manifest.json"], &loads); err != nil {
			t.Fatal(err)
		}
		for _, i := range loads {
			names += len(i.RepoTags)
		}
		if names != len(images) {
			t.Errorf("docker loads %d images of %d", names, len(images))
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// skopeo runs the tool, which shares no code with quayside, and returns its output.
func skopeo(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "skopeo", append([]string{"--insecure-policy"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("skopeo %v: %v\n%s", args, err, &errs)
	}
	return out.Bytes()
}

func needSkopeo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
}

func TestSkopeoReadsOCIArchives(t *testing.T) {
	needSkopeo(t)
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "some.tar")
	images := append(f.plain()[:3], f.named("nova-compute"))
	f.run(opened(t, destination.OCIArchive, file), images...)
	for _, i := range images {
		from := "oci-archive:" + file + ":" + i.Reference()
		if got := digest.FromBytes(skopeo(t, "inspect", "--raw", from)); got != i.Digest {
			t.Errorf("%s is %s, not %s", i.Reference(), got, i.Digest)
		}
		dir := t.TempDir()
		skopeo(t, "copy", "--all", "--preserve-digests", from, "dir:"+dir)
		if got := digest.FromBytes(read(t, filepath.Join(dir, "manifest.json"))); got != i.Digest {
			t.Errorf("%s is copied as %s, not %s", i.Reference(), got, i.Digest)
		}
		for _, d := range f.staged(i).Blobs {
			if _, err := os.Stat(filepath.Join(dir, d.Digest.Encoded())); err != nil {
				t.Error(err)
			}
		}
	}
}

// compressed makes an image whose layers are compressed, as nearly all are, and
// the same otherwise.
func (f *imageSet) compressed(i mirror.Image) mirror.Image {
	f.t.Helper()
	m, err := manifest.Parse(f.manifests[i.Digest].MediaType, f.content[i.Digest])
	if err != nil {
		f.t.Fatal(err)
	}
	var layers []ocispec.Descriptor
	for _, d := range m.Layers {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(f.content[d.Digest]); err != nil {
			f.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.t.Fatal(err)
		}
		layers = append(layers, f.add(ocispec.MediaTypeImageLayerGzip, b.Bytes()))
	}
	i.Tag = "compressed"
	return f.image(i, *m.Config, layers...)
}

func TestSkopeoReadsDockerArchives(t *testing.T) {
	needSkopeo(t)
	f := newImageSet(t, quaytest.SampleTag)
	file := filepath.Join(t.TempDir(), "some.tar")
	images := append(f.plain()[:2], f.compressed(f.named("keystone")))
	f.run(opened(t, toDockerArchive, file), images...)
	for _, i := range images {
		m, err := manifest.Parse(f.manifests[i.Digest].MediaType, f.content[i.Digest])
		if err != nil {
			t.Fatal(err)
		}
		from := "docker-archive:" + file + ":" + i.Reference()
		config := skopeo(t, "inspect", "--config", "--raw", from)
		if got := digest.FromBytes(config); got != m.Config.Digest {
			t.Errorf("%s has the image id %s, not %s", i.Reference(), got, m.Config.Digest)
		}
		dir := t.TempDir()
		skopeo(t, "copy", from, "dir:"+dir)
		var copied ocispec.Manifest
		if err := json.Unmarshal(read(t, filepath.Join(dir, "manifest.json")), &copied); err != nil {
			t.Fatal(err)
		}
		var want ocispec.Image
		if err := json.Unmarshal(f.content[m.Config.Digest], &want); err != nil {
			t.Fatal(err)
		}
		var got []digest.Digest
		for _, d := range copied.Layers {
			got = append(got, d.Digest)
		}
		if diff := cmp.Diff(want.RootFS.DiffIDs, got); diff != "" {
			t.Errorf("%s: diff ids (-want +got):\n%s", i.Reference(), diff)
		}
	}
}

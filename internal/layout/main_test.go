// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"github.com/quayside/quayside/internal/layout"
)

// helperTask makes the test binary a process of its own that does something to the
// layout in helperDir.
const (
	helperTask = "LAYOUT_TEST_TASK"
	helperDir  = "LAYOUT_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch task := os.Getenv(helperTask); task {
	case "":
		goleak.VerifyTestMain(m)
	case "fill":
		exit(fill(os.Getenv(helperDir)))
	case "hold":
		exit(hold(os.Getenv(helperDir)))
	default:
		if umask, ok := strings.CutPrefix(task, "umask "); ok {
			exit(underUmask(umask, os.Getenv(helperDir)))
		}
		exit(fmt.Errorf("no task %q", task))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// content returns bytes that depend only on the seed.
func content(seed uint64, size int) []byte {
	b := make([]byte, size+8)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i < size; i += 8 {
		for j, v := 0, r.Uint64(); j < 8; j, v = j+1, v>>8 {
			b[i+j] = byte(v)
		}
	}
	return b[:size]
}

func describe(mediaType string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// image is an image or an index, with the content of everything it consists of.
type image struct {
	root  ocispec.Descriptor
	blobs map[digest.Digest][]byte
}

func (m *image) add(mediaType string, b []byte) ocispec.Descriptor {
	d := describe(mediaType, b)
	m.blobs[d.Digest] = b
	return d
}

// newImage makes an image of layers.
func newImage(layers ...[]byte) image {
	m := image{blobs: map[digest.Digest][]byte{}}
	var ds []ocispec.Descriptor
	for _, layer := range layers {
		ds = append(ds, m.add(ocispec.MediaTypeImageLayer, layer))
	}
	config := m.add(ocispec.MediaTypeImageConfig, fmt.Appendf(nil, `{"last":%q}`, ds[len(ds)-1].Digest))
	b, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "config": config, "layers": ds})
	m.root = m.add(ocispec.MediaTypeImageManifest, b)
	return m
}

// newIndex makes an index of images.
func newIndex(images ...image) image {
	m := image{blobs: map[digest.Digest][]byte{}}
	var ds []ocispec.Descriptor
	for _, one := range images {
		for d, b := range one.blobs {
			m.blobs[d] = b
		}
		ds = append(ds, one.root)
	}
	b, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": ds})
	m.root = m.add(ocispec.MediaTypeImageIndex, b)
	return m
}

func open(t *testing.T, dir string, o layout.Options) *layout.Layout {
	t.Helper()
	l, err := layout.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// put stores an image, and tags it unless name is empty.
func put(t *testing.T, l *layout.Layout, m image, name string) {
	t.Helper()
	for d, b := range m.blobs {
		if err := l.Put(t.Context(), ocispec.Descriptor{Digest: d, Size: int64(len(b))}, b); err != nil {
			t.Fatal(err)
		}
	}
	if name == "" {
		return
	}
	if err := l.Tag(t.Context(), layout.Entry{Name: name, Descriptor: m.root}); err != nil {
		t.Fatal(err)
	}
}

func blobFile(dir string, d digest.Digest) string {
	return filepath.Join(dir, "blobs", string(d.Algorithm()), d.Encoded())
}

// writeFile writes a file as another tool would.
func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// readIndex reads index.json with types of the specification.
func readIndex(t testing.TB, dir string) ocispec.Index {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var x ocispec.Index
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&x); err != nil {
		t.Fatal(err)
	}
	return x
}

// checkWhole reads a layout without the package: files with final names fit their digests,
// and the images of the index are complete. It returns names and digests.
func checkWhole(t *testing.T, dir string) map[string]digest.Digest {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[digest.Digest][]byte{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := digest.Digest(filepath.Base(filepath.Dir(name)) + ":" + filepath.Base(name))
		if d.Algorithm().FromBytes(b) != d {
			t.Errorf("%s does not fit its name", name)
		}
		there[d] = b
	}
	names := map[string]digest.Digest{}
	for _, e := range readIndex(t, dir).Manifests {
		names[e.Annotations[ocispec.AnnotationRefName]] = e.Digest
		var m ocispec.Manifest
		if err := json.Unmarshal(there[e.Digest], &m); err != nil {
			t.Errorf("manifest of %v: %v", e.Annotations, err)
		}
		for _, d := range append(m.Layers, m.Config) {
			if int64(len(there[d.Digest])) != d.Size {
				t.Errorf("%v has no %s", e.Annotations, d.Digest)
			}
		}
	}
	return names
}

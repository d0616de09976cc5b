// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ocitar_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/ocitar"
)

// A store holds blobs in memory.
type store map[digest.Digest]string

func (s store) add(content string) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: "application/x", Digest: digest.FromString(content), Size: int64(len(content))}
	s[d.Digest] = content
	return d
}

func (s store) open(d digest.Digest) (io.ReadCloser, error) {
	content, ok := s[d]
	if !ok {
		return nil, layout.ErrMissing
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func named(d ocispec.Descriptor, name string) ocispec.Descriptor {
	d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	return d
}

func TestWriteReadsBack(t *testing.T) {
	s := store{}
	config, layer, image := s.add("config"), s.add(strings.Repeat("layer", 1000)), s.add("manifest")
	c := ocitar.Contents{
		Index: []ocispec.Descriptor{named(image, "q.io/a/b:1"), named(image, "q.io/a/b:2"), image},
		Blobs: []ocispec.Descriptor{config, layer, image},
	}
	write := func() []byte {
		var b bytes.Buffer
		if err := ocitar.Write(t.Context(), &b, c, s.open); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, docker := range []bool{false, true} {
		if docker {
			c.Docker = map[digest.Digest]manifest.Manifest{image.Digest: {Config: &config, Layers: []ocispec.Descriptor{layer, layer}}}
		}
		text := write()
		if !bytes.Equal(text, write()) {
			t.Error("the same contents make other bytes")
		}
		r, err := ocitar.NewReader(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		if r.Loadable() != docker {
			t.Errorf("loadable: %v", r.Loadable())
		}
		if same, err := r.Holds(c); !same || err != nil {
			t.Errorf("holds what was written: %v, %v", same, err)
		}
		if diff := cmp.Diff(c.Index, r.Index()); diff != "" {
			t.Errorf("index (-want +got):\n%s", diff)
		}
		for d, content := range s {
			if got, err := r.Read(ocispec.Descriptor{Digest: d, Size: int64(len(content))}); err != nil || string(got) != content {
				t.Errorf("%s: %v", d, err)
			}
		}
		more := c
		more.Blobs = append(more.Blobs, s.add("more"))
		if same, err := r.Holds(more); same || err != nil {
			t.Errorf("holds one more blob: %v, %v", same, err)
		}
		delete(s, digest.FromString("more"))
		fewer := c
		fewer.Index = c.Index[:1]
		if same, err := r.Holds(fewer); same || err != nil {
			t.Errorf("holds another index: %v, %v", same, err)
		}
		want := `[{"Config":"` + blobName(config.Digest) + `","RepoTags":["q.io/a/b:1","q.io/a/b:2"],"Layers":["` + blobName(layer.Digest) + `","` + blobName(layer.Digest) + `"]}]`
		if docker != bytes.Contains(text, []byte(want)) {
			t.Errorf("manifest.json is there: %v", !docker)
		}
	}
	if same, err := new(ocitar.Reader).Holds(ocitar.Contents{}); !same || err != nil {
		t.Errorf("nothing holds nothing: %v, %v", same, err)
	}
}

// brokenReader fails after some bytes.
type brokenReader struct{ io.Reader }

var errSector = errors.New("bad sector")

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errSector
	}
	return n, err
}

func TestWriteNamesTheBlobAtFault(t *testing.T) {
	s := store{}
	good, bad := s.add("good"), s.add("bad")
	for name, test := range map[string]struct {
		open func() (io.ReadCloser, error)
		want error
	}{
		"missing":    {func() (io.ReadCloser, error) { return nil, layout.ErrMissing }, layout.ErrMissing},
		"unreadable": {func() (io.ReadCloser, error) { return nil, layout.ErrUnreadable }, layout.ErrUnreadable},
		"breaks":     {func() (io.ReadCloser, error) { return io.NopCloser(brokenReader{strings.NewReader("b")}), nil }, errSector},
		"other":      {func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("xxx")), nil }, layout.ErrCorrupt},
		"short":      {func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("b")), nil }, layout.ErrCorrupt},
		"long":       {func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("xbad")), nil }, layout.ErrCorrupt},
	} {
		err := ocitar.Write(t.Context(), io.Discard, ocitar.Contents{Blobs: []ocispec.Descriptor{good, bad}}, func(d digest.Digest) (io.ReadCloser, error) {
			if d == bad.Digest {
				return test.open()
			}
			return s.open(d)
		})
		if blob, ok := errors.AsType[*ocitar.BlobError](err); !ok || blob.Digest != bad.Digest || !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// failingWriter is a disk that is full.
type failingWriter struct{}

var errFull = errors.New("disk full")

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

func TestWriteEndsWithTheWriterOrTheContext(t *testing.T) {
	s := store{}
	c := ocitar.Contents{Blobs: []ocispec.Descriptor{s.add(strings.Repeat("x", 2<<20))}}
	err := ocitar.Write(t.Context(), failingWriter{}, c, s.open)
	if blob := new(ocitar.BlobError); !errors.Is(err, errFull) || errors.As(err, &blob) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = ocitar.Write(ctx, io.Discard, c, s.open)
	if blob := new(ocitar.BlobError); !errors.Is(err, context.Canceled) || errors.As(err, &blob) {
		t.Error(err)
	}
}

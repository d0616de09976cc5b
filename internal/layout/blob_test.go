// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

func TestBlob(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
		b := content(1, 1000)
		d := ocispec.Descriptor{Digest: a.FromBytes(b), Size: 1000}
		if there, err := l.Has(t.Context(), d); there || err != nil {
			t.Errorf("before: %v, %v", there, err)
		}
		if _, err := l.Read(t.Context(), d); !errors.Is(err, layout.ErrMissing) {
			t.Errorf("before: %v", err)
		}
		if _, _, err := l.Blob(d.Digest); !errors.Is(err, layout.ErrMissing) {
			t.Errorf("before: %v", err)
		}
		if err := l.Put(t.Context(), d, b); err != nil {
			t.Fatal(err)
		}
		if there, err := l.Has(t.Context(), d); !there || err != nil {
			t.Errorf("after: %v, %v", there, err)
		}
		if got, err := l.Read(t.Context(), d); err != nil || !bytes.Equal(got, b) {
			t.Errorf("content is another: %v", err)
		}
		r, size, err := l.Blob(d.Digest)
		if err != nil || size != d.Size {
			t.Fatalf("size %d, %v", size, err)
		}
		if _, err := r.Seek(10, io.SeekStart); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, b[10:]) {
			t.Errorf("content is another: %v", err)
		}
		if err := errors.Join(r.Close(), l.Delete(d.Digest), l.Delete(d.Digest)); err != nil {
			t.Error(err)
		}
		if there, err := l.Has(t.Context(), d); there || err != nil {
			t.Errorf("deleted: %v, %v", there, err)
		}
	}
}

func TestPutRefusesWhatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	b := []byte("content")
	d := describe("", b)
	for _, wrong := range []ocispec.Descriptor{{Digest: digest.FromString("x"), Size: d.Size}, {Digest: d.Digest, Size: d.Size - 1}} {
		if err := l.Put(t.Context(), wrong, b); !errors.Is(err, layout.ErrCorrupt) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	for _, path := range []digest.Digest{"", "../../x", "sha256:../../../../x", "sha1:a9993e364706816aba3e25717850c26c9cd0d89d"} {
		_, blob := func() (any, error) { _, _, err := l.Blob(path); return nil, err }()
		_, has := l.Has(t.Context(), ocispec.Descriptor{Digest: path})
		_, partial := l.Partial(t.Context(), ocispec.Descriptor{Digest: path})
		for _, err := range []error{blob, has, partial, l.Delete(path), l.Put(t.Context(), ocispec.Descriptor{Digest: path, Size: 7}, b)} {
			if err == nil || !strings.Contains(err.Error(), "digest") {
				t.Errorf("%q: %v", path, err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if len(files) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestDamagedBlobs(t *testing.T) {
	b := content(1, 1000)
	d := describe("", b)
	flipped := bytes.Clone(b)
	flipped[500] ^= 1
	for name, test := range map[string]struct {
		check bool
		there []byte
		want  bool
	}{
		"whole":                  {false, b, true},
		"whole, hashed":          {true, b, true},
		"cut":                    {false, b[:999], false},
		"cut to nothing":         {false, nil, false},
		"longer":                 {false, append(bytes.Clone(b), 0), false},
		"one bit":                {false, flipped, true}, // its size decides, as documented
		"one bit, and is hashed": {true, flipped, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, layout.Options{Check: test.check})
			writeFile(t, blobFile(dir, d.Digest), test.there)
			for range 2 {
				if there, err := l.Has(t.Context(), d); there != test.want || err != nil {
					t.Errorf("there: %v, %v", there, err)
				}
			}
			if _, err := os.Stat(blobFile(dir, d.Digest)); (err == nil) != test.want {
				t.Errorf("file: %v", err)
			}
			if bytes.Equal(test.there, b) {
				return
			}
			writeFile(t, blobFile(dir, d.Digest), test.there)
			if _, err := l.Read(t.Context(), d); !errors.Is(err, layout.ErrCorrupt) {
				t.Errorf("read: %v", err)
			}
			if err := l.Put(t.Context(), d, b); err != nil {
				t.Error(err)
			}
			if there, err := os.ReadFile(blobFile(dir, d.Digest)); !bytes.Equal(there, b) {
				t.Errorf("Put did not mend it: %v", err)
			}
		})
	}
}

// TestDamagedMeanwhile: a blob that this process stored is checked again after its size has
// changed.
func TestDamagedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	b := content(1, 1000)
	d := describe("", b)
	if err := l.Put(t.Context(), d, b); err != nil {
		t.Fatal(err)
	}
	writeFile(t, blobFile(dir, d.Digest), b[:10])
	if there, err := l.Has(t.Context(), d); there || err != nil {
		t.Errorf("there: %v, %v", there, err)
	}
}

// TestDescriptorLies: if a manifest has a wrong size for a blob, other images keep the
// blob.
func TestDescriptorLies(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	b := content(1, 1000)
	d := describe("", b)
	if err := l.Put(t.Context(), d, b); err != nil {
		t.Fatal(err)
	}
	lie := d
	lie.Size = 10
	if there, err := l.Has(t.Context(), lie); there || !errors.Is(err, layout.ErrCorrupt) {
		t.Errorf("there: %v, %v", there, err)
	}
	if there, err := l.Has(t.Context(), d); !there || err != nil {
		t.Errorf("the blob is lost: %v", err)
	}
}

// ending is a context that ends after Err was called some times.
type ending struct {
	context.Context
	left atomic.Int32
}

func (e *ending) Err() error {
	if e.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestHasHashesOnce: of many callers one hashes the blob, also after a caller whose context
// ended.
func TestHasHashesOnce(t *testing.T) {
	dir := t.TempDir()
	b := content(1, 1<<20)
	d := describe("", b)
	l := open(t, dir, layout.Options{Check: true})
	writeFile(t, blobFile(dir, d.Digest), b)
	soon := &ending{Context: t.Context()}
	soon.left.Store(4)
	if _, err := l.Has(soon, d); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if there, err := l.Has(t.Context(), d); !there || err != nil {
				t.Errorf("there: %v, %v", there, err)
			}
		})
	}
	all.Wait()
	b[0] ^= 1
	writeFile(t, blobFile(dir, d.Digest), b)
	if there, err := l.Has(t.Context(), d); !there || err != nil {
		t.Errorf("hashed again: %v, %v", there, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, layout.Options{Check: true})
	if there, err := l.Has(t.Context(), d); there || err != nil {
		t.Errorf("not hashed again by another Layout: %v, %v", there, err)
	}
}

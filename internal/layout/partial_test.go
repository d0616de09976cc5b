// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

func begin(t *testing.T, l *layout.Layout, d ocispec.Descriptor, size int64) *layout.Partial {
	t.Helper()
	p, err := l.Partial(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if p.Size() != size {
		t.Fatalf("%d bytes are there; want %d", p.Size(), size)
	}
	return p
}

func write(t *testing.T, p *layout.Partial, b []byte) {
	t.Helper()
	if n, err := p.Write(b); n != len(b) || err != nil {
		t.Fatalf("wrote %d of %d: %v", n, len(b), err)
	}
}

func TestPartialIsResumed(t *testing.T) {
	dir := t.TempDir()
	b := content(1, 700_000)
	d := describe("", b)
	l := open(t, dir, layout.Options{})
	p := begin(t, l, d, 0)
	write(t, p, b[:300_000])
	if _, err := l.Partial(t.Context(), d); !errors.Is(err, layout.ErrBusy) {
		t.Errorf("while it is open: %v", err)
	}
	if there, err := l.Has(t.Context(), d); there || err != nil {
		t.Errorf("it is there before it is whole: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = begin(t, l, d, 300_000) // another attempt of this process
	write(t, p, b[300_000:400_000])
	if err := errors.Join(p.Close(), p.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, layout.Options{}) // another process
	for asked := range int32(4) {      // at once, or while what is there is hashed
		soon := &ending{Context: t.Context()}
		soon.left.Store(asked)
		if _, err := l.Partial(soon, d); !errors.Is(err, context.Canceled) {
			t.Errorf("context ended: %v", err)
		}
	}
	p = begin(t, l, d, 400_000)
	write(t, p, b[400_000:])
	if err := errors.Join(p.Commit(), p.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Commit: %v", err)
	}
	if there, err := l.Has(t.Context(), d); !there || err != nil {
		t.Errorf("there: %v, %v", there, err)
	}
	checkWhole(t, dir)
	if left := partialFiles(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func partialFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(workFolder(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return files
}

// workFolder returns the folder of partial and temporary files.
func workFolder(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, ".quayside", "mark.json"))
	var mark struct {
		Work string `json:"work"`
	}
	if err := errors.Join(err, json.Unmarshal(b, &mark)); err != nil || mark.Work == "" {
		t.Fatalf("mark is %s: %v", b, err)
	}
	return filepath.Join(dir, ".quayside", mark.Work)
}

func TestPartialRefusesWhatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	b := content(1, 1000)
	d := describe("", b)
	wrong := content(2, 1000)
	p := begin(t, l, d, 0)
	for name, some := range map[string][]byte{"other content": wrong, "cut": b[:999], "nothing": nil} {
		write(t, p, some)
		if err := p.Commit(); !errors.Is(err, layout.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if p.Size() != 0 {
			t.Errorf("%s: %d bytes are kept", name, p.Size())
		}
	}
	write(t, p, b[:990])
	if n, err := p.Write(b[:11]); n != 0 || !errors.Is(err, layout.ErrCorrupt) {
		t.Errorf("more than all: %d, %v", n, err)
	}
	if p.Size() != 990 {
		t.Errorf("%d bytes are there", p.Size())
	}
	if err := p.Reset(); err != nil || p.Size() != 0 {
		t.Errorf("reset: %d, %v", p.Size(), err)
	}
	if there, err := os.Stat(blobFile(dir, d.Digest)); err == nil {
		t.Errorf("wrong content has a final name: %v", there)
	}
	write(t, p, b)
	if err := p.Commit(); err != nil {
		t.Error(err)
	}
	checkWhole(t, dir)
	long := d
	long.Size++
	p = begin(t, l, long, 0)
	write(t, p, b)
	if err := errors.Join(p.Commit(), p.Close()); !errors.Is(err, layout.ErrCorrupt) {
		t.Errorf("it fits its digest, and not its size: %v", err)
	}
}

// TestPartialOfAnotherRun: a partial file with the wrong content, as after a power cut, or
// with the wrong size.
func TestPartialOfAnotherRun(t *testing.T) {
	b := content(1, 1000)
	d := describe("", b)
	for name, there := range map[string][]byte{"zeros": make([]byte, 500), "too much": make([]byte, 1001), "all of it": b} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, layout.Options{})
			p := begin(t, l, d, 0)
			write(t, p, b[:1])
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			files := partialFiles(t, dir)
			if len(files) != 1 {
				t.Fatalf("files are %v", files)
			}
			writeFile(t, filepath.Join(workFolder(t, dir), files[0]), there)
			p, err := l.Partial(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			write(t, p, b[p.Size():])
			if err := p.Commit(); errors.Is(err, layout.ErrCorrupt) && name == "zeros" {
				write(t, p, b)
				err = p.Commit()
				if err != nil {
					t.Error(err)
				}
			} else if err != nil || name == "zeros" {
				t.Errorf("commit: %v", err)
			}
			checkWhole(t, dir)
		})
	}
}

func TestPartialOfNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	d := describe("", nil)
	p := begin(t, l, d, 0)
	if err := p.Commit(); err != nil {
		t.Error(err)
	}
	if there, err := l.Has(t.Context(), d); !there || err != nil {
		t.Errorf("there: %v, %v", there, err)
	}
	unused := begin(t, l, describe("", []byte("x")), 0)
	if err := unused.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string(nil), partialFiles(t, dir)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}

func TestClosedLayout(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	b := []byte("x")
	d := describe("", b)
	p := begin(t, l, d, 0)
	write(t, p, b)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, has := l.Has(t.Context(), d)
	_, partial := l.Partial(t.Context(), d)
	for _, err := range []error{p.Commit(), has, partial, l.Put(t.Context(), d, b), l.Delete(d.Digest),
		l.Untag(t.Context(), "a/b:c"), l.Tag(t.Context(), layout.Entry{Name: "a/b:c", Descriptor: d})} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

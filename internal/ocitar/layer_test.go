// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ocitar_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/ocitar"
)

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // a bytes.Buffer accepts all
	_ = w.Close()
	return b.Bytes()
}

func zstded(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

func TestDiffIDIsOfTheUnpackedTar(t *testing.T) {
	content := tarOf(file("a", "text"), file("b", strings.Repeat("text", 10_000)))
	for name, layer := range map[string][]byte{"plain": content, "gzip": gzipped(content), "zstd": zstded(t, content)} {
		if got, err := ocitar.DiffID(t.Context(), bytes.NewReader(layer)); err != nil || got != digest.FromBytes(content) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if got, err := ocitar.DiffID(t.Context(), bytes.NewReader(nil)); err != nil || got != digest.FromBytes(nil) {
		t.Errorf("an empty layer: %s, %v", got, err)
	}
}

// An error of the reader is told from a layer that is damaged.
func TestDiffIDErrors(t *testing.T) {
	layer := gzipped(tarOf(file("a", strings.Repeat("text", 10_000))))
	_, err := ocitar.DiffID(t.Context(), bytes.NewReader(layer[:40]))
	if err == nil || errors.Is(err, layout.ErrUnreadable) {
		t.Errorf("half a layer: %v", err)
	}
	if _, err = ocitar.DiffID(t.Context(), brokenReader{bytes.NewReader(layer[:40])}); !errors.Is(err, layout.ErrUnreadable) || !errors.Is(err, errSector) {
		t.Errorf("a bad sector: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err = ocitar.DiffID(ctx, bytes.NewReader(layer)); !errors.Is(err, why) {
		t.Errorf("a cancelled context: %v", err)
	}
}

func FuzzDiffID(f *testing.F) {
	content := tarOf(file("a", "text"))
	for _, layer := range [][]byte{content, gzipped(content), zstded(f, content), []byte("BZh9"), []byte("\xfd7zXZ\x00"), nil} {
		f.Add(layer)
	}
	f.Fuzz(func(t *testing.T, layer []byte) {
		d, err := ocitar.DiffID(t.Context(), bytes.NewReader(layer))
		if err == nil && d.Validate() != nil {
			t.Errorf("%q", d)
		}
		if errors.Is(err, layout.ErrUnreadable) {
			t.Error(err)
		}
	})
}

func FuzzParseDockerConfig(f *testing.F) {
	f.Add([]byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:`+strings.Repeat("0", 64)+`"]},"config":{"Cmd":"sh"}}`), 1)
	f.Add([]byte(`null`), 0)
	f.Fuzz(func(t *testing.T, content []byte, layers int) {
		c, err := ocitar.ParseDockerConfig(content, layers)
		if err != nil {
			return
		}
		if len(c.DiffIDs) != layers {
			t.Errorf("%d diff_ids for %d layers", len(c.DiffIDs), layers)
		}
		for _, d := range c.DiffIDs {
			if d.Validate() != nil {
				t.Errorf("diff_id %q", d)
			}
		}
	})
}

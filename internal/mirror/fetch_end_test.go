// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/registry"
)

// A blob that is complete when the run ends closes its partial file.
func TestBlobThatIsInTooLateIsLetGo(t *testing.T) {
	l, err := layout.Open(t.TempDir(), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(`{"os":"linux"}`)
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(content), Size: int64(len(content))}
	text, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{},
	})
	if err != nil {
		t.Fatal(err)
	}
	root := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(text), Size: int64(len(text))}
	if err := l.Put(t.Context(), root, text); err != nil {
		t.Fatal(err)
	}
	p, err := l.Partial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var c *Copier
	c = New(destination.Layout(l), Options{
		Signatures: SignaturesNever,
		Registry:   func(host string) (*registry.Registry, error) { return registry.New(host, registry.Options{}) },
		Observe: func(e Event) {
			if e.Kind == BlobResumed {
				cancel()
				for !c.copy.Load().scheduler.ready.isClosed() {
					runtime.Gosched()
				}
			}
		},
	})
	image := Image{Host: "quay.example", Repository: "org/app", Tag: "1", Digest: root.Digest}
	if _, err := c.Copy(ctx, slices.Values([]Image{image})); !errors.Is(err, context.Canceled) {
		t.Errorf("copy: %v", err)
	}
	p, err = l.Partial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if p.Size() != config.Size {
		t.Errorf("%d of %d bytes are left", p.Size(), config.Size)
	}
	if err := errors.Join(p.Close(), l.Close()); err != nil {
		t.Error(err)
	}
}

func (q *queue[T]) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

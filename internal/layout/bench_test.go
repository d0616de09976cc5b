// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quayside/quayside/internal/layout"
)

// batch is the set of doc/adr/0009: 60 images of four layers, two of which no other image
// has: 190 MB in 242 blobs.
func batch() (images []image, layers [][]byte) {
	pool := content(1, 32<<20)
	cut := func(i, size int) []byte { return pool[i*4096 : i*4096+size] }
	base, runtime := cut(0, 24<<20), cut(1, 12<<20)
	layers = [][]byte{base, runtime}
	for i := range 60 {
		own, small := cut(2+i, 1_000_000+i*50_000), cut(100+i, 60_000)
		layers = append(layers, own, small)
		images = append(images, newImage(base, runtime, own, small))
	}
	slices.SortStableFunc(layers, func(a, b []byte) int { return len(b) - len(a) }) // as a copy fetches them
	return images, layers
}

// link delivers bytes at a rate.
type link struct {
	mu   sync.Mutex
	next time.Time
	rate float64 // bytes a second; 0 is no limit
}

func (l *link) wait(n int) {
	if l.rate == 0 {
		return
	}
	l.mu.Lock()
	if now := time.Now(); l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	next := l.next
	l.mu.Unlock()
	time.Sleep(time.Until(next))
}

// BenchmarkBatch fills a layout over eight connections, as fast as the disk accepts, and
// over a link of 100 MB/s, where the limit is the time of the transfer.
func BenchmarkBatch(b *testing.B) {
	images, layers := batch()
	for _, rate := range []float64{0, 100e6} {
		name := "at once"
		if rate > 0 {
			name = "100 MB a second"
		}
		b.Run(name, func(b *testing.B) {
			var total int64
			dir, n := b.TempDir(), 0
			for b.Loop() {
				n++
				total = fillBatch(b, filepath.Join(dir, fmt.Sprint(n)), images, layers, &link{rate: rate})
			}
			b.SetBytes(total)
			if rate > 0 {
				limit := float64(total) / rate
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/limit, "x-limit")
			}
		})
	}
}

func fillBatch(b *testing.B, dir string, images []image, layers [][]byte, from *link) (total int64) {
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	for _, m := range images { // manifests and configurations come first
		for d, c := range m.blobs {
			if len(c) < 10_000 {
				total += int64(len(c))
				group.Go(func() error {
					return l.Put(context.Background(), ocispec.Descriptor{Digest: d, Size: int64(len(c))}, c)
				})
			}
		}
	}
	transfers := make(chan struct{}, 8)
	there := map[digest.Digest]chan struct{}{}
	for _, layer := range layers {
		total += int64(len(layer))
		d := describe("", layer)
		done := make(chan struct{})
		there[d.Digest] = done
		transfers <- struct{}{}
		group.Go(func() error {
			defer close(done)
			p, err := fetch(l, d, layer, from)
			<-transfers // the link is free while the disk syncs
			if err != nil {
				return err
			}
			return errors.Join(p.Commit(), p.Close())
		})
	}
	for i, m := range images {
		group.Go(func() error {
			for d := range m.blobs {
				if there[d] != nil {
					<-there[d]
				}
			}
			return l.Tag(context.Background(), layout.Entry{Name: fmt.Sprintf("quay.io/org/image%d:1", i), Descriptor: m.root})
		})
	}
	if err := errors.Join(group.Wait(), l.Close()); err != nil {
		b.Fatal(err)
	}
	return total
}

func fetch(l *layout.Layout, d ocispec.Descriptor, layer []byte, from *link) (*layout.Partial, error) {
	p, err := l.Partial(context.Background(), d)
	if err != nil {
		return nil, err
	}
	for rest := layer; len(rest) > 0; {
		n := min(len(rest), 128<<10)
		from.wait(n)
		if _, err := p.Write(rest[:n]); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		rest = rest[n:]
	}
	return p, nil
}

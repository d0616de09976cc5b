// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
)

// A Plan is what a copy would do. Sizes are in bytes. Referrers of the images, such as
// signatures, are not included.
type Plan struct {
	Images  []PlannedImage // sorted by reference
	Blobs   int            // unique layers and configurations
	Bytes   int64          // size of these blobs and of the unique manifests
	Present int64          // of Bytes: at the destination or staged, including partial blobs
	Missing int64          // of Bytes: to fetch
	Shared  int64          // what the images would take one by one, less Bytes
	Free    int64          // of the staging disk; -1: unknown
}

// A PlannedImage is an image of a Plan.
type PlannedImage struct {
	Image
	Name      string             // at the destination
	Digest    digest.Digest      // of the image at its source
	Platforms []ocispec.Platform // as an index lists them; of a single image only if platforms were chosen
	Blobs     int                // unique within the image
	Bytes     int64              // of these and of its manifests
	Missing   int64              // of Bytes; a blob that several images miss counts for each
	Present   bool               // nothing of it has to be fetched
	Unsigned  bool               // it is present, and a copy looks for its signatures
	Err       error              // why it would fail; ErrNoRoom: it does not fit beside the images before it

	manifests, layers []destination.Piece
}

// Reason returns the code for why the image would fail, or "".
func (i PlannedImage) Reason() Reason { return reasonOf(i.Err) }

// A planning is one run of Plan.
type planning struct {
	*Copier
	cache manifestCache

	room *destination.Room

	mu        sync.Mutex
	plan      Plan
	manifests map[digest.Digest]int64 // bytes to fetch
	blobs     map[digest.Digest]func() (int64, error)
}

// Plan determines what a copy would do, and writes nothing. It fetches manifests and, if
// platforms were chosen, the configurations of images that are not an index. The sequence
// of images may still be growing.
//
// An image that would fail has its error in the Plan. The error of Plan concerns the
// whole run, as that of Copy does.
func (c *Copier) Plan(ctx context.Context, images iter.Seq[Image]) (Plan, error) {
	if c.invalid != nil {
		return Plan{}, fmt.Errorf("plan: %w", c.invalid)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p := &planning{
		Copier: c, cache: newManifestCache(c.to.Staging(), true), room: destination.NewRoom(ctx, c.to),
		manifests: map[digest.Digest]int64{}, blobs: map[digest.Digest]func() (int64, error){},
	}
	queue := newQueue[Image](nil)
	defer context.AfterFunc(ctx, queue.close)()
	var workers sync.WaitGroup
	for range c.o.Jobs {
		workers.Go(func() {
			drain(queue, func(i Image) {
				if err := p.add(ctx, i); destination.IsFatal(err) {
					stop(err)
				}
			})
		})
	}
	names := map[string]bool{}
	for i := range images {
		if ctx.Err() != nil {
			break
		}
		if names[i.Reference()] {
			continue
		}
		names[i.Reference()] = true
		c.sources.willPull(i)
		queue.push(i)
	}
	queue.end()
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return Plan{}, err
	}
	return p.done(), nil
}

// add plans one image. It returns the image's error, too.
func (p *planning) add(ctx context.Context, i Image) error {
	planned := PlannedImage{Image: i, Name: p.to.Name(i), Digest: i.Digest}
	planned.Err = p.look(ctx, &planned)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan.Images = append(p.plan.Images, planned)
	return planned.Err
}

// look examines an image and adds up its missing bytes.
func (p *planning) look(ctx context.Context, i *PlannedImage) error {
	fetched := map[digest.Digest]bool{}
	e := examiner{Copier: p.Copier, cache: p.cache, dryRun: true, count: func(d ocispec.Descriptor, overWire bool) { fetched[d.Digest] = overWire }}
	x := examination{Image: i.Image}
	err := e.examine(ctx, &x)
	i.Digest, i.Present = cmp.Or(x.root, i.Digest), x.found.Present
	if err != nil && (!i.Present || destination.IsFatal(err)) {
		return err
	}
	i.Unsigned = i.Present && p.wantsReferrers(x.found)
	t := x.tree
	i.Platforms, i.Blobs, i.Bytes = t.platforms, len(t.blobs), t.size
	for _, d := range t.manifests {
		rest := p.manifest(d, fetched[d.Digest] && !i.Present)
		i.Missing += rest
		i.manifests = append(i.manifests, destination.Piece{Digest: d.Digest, Size: d.Size, Remaining: rest})
	}
	for _, d := range t.blobs {
		rest, err := p.blob(ctx, i, d)
		if err != nil {
			return err
		}
		i.Missing += rest
		i.layers = append(i.layers, destination.Piece{Digest: d.Digest, Size: d.Size, Remaining: rest})
	}
	return nil
}

// manifest returns how many bytes of a manifest are missing: all of them if the first
// image that has the manifest fetched it.
func (p *planning) manifest(d ocispec.Descriptor, fetched bool) (missing int64) {
	if fetched {
		missing = d.Size
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, known := p.manifests[d.Digest]; known {
		return was
	}
	p.manifests[d.Digest] = missing
	return missing
}

// blob returns how many bytes of a blob are missing. It checks each blob once.
func (p *planning) blob(ctx context.Context, i *PlannedImage, d ocispec.Descriptor) (int64, error) {
	p.mu.Lock()
	ask, known := p.blobs[d.Digest]
	if !known {
		ask = sync.OnceValues(func() (int64, error) { return p.missing(ctx, i, d) })
		p.blobs[d.Digest] = ask
	}
	p.mu.Unlock()
	return ask()
}

// missing returns how many bytes of a blob must be fetched.
func (p *planning) missing(ctx context.Context, i *PlannedImage, d ocispec.Descriptor) (int64, error) {
	if i.Present {
		return 0, nil
	}
	need, err := p.blobNeed(ctx, i.Image, d)
	return need.remaining, err
}

// markNameConflicts fails the images that would have the same name, as a Copy does.
func (p *planning) markNameConflicts() {
	all := claims{}
	for _, i := range p.plan.Images {
		all.add(i.Name, i.Reference())
	}
	for n, i := range p.plan.Images {
		if err := all.conflict(i.Name); err != nil {
			p.plan.Images[n].Err = err
		}
	}
}

// done returns the finished plan. Its sums omit images that fail, and images that do not
// fit on the disk beside the images before them.
func (p *planning) done() Plan {
	p.markNameConflicts()
	slices.SortFunc(p.plan.Images, func(a, b PlannedImage) int { return cmp.Compare(a.Reference(), b.Reference()) })
	p.plan.Free = -1
	if free, err := p.to.Staging().Free(); err == nil {
		p.plan.Free = free
	}
	seen := map[digest.Digest]bool{}
	for n := range p.plan.Images {
		i := &p.plan.Images[n]
		if i.Err != nil {
			continue
		}
		var fresh []destination.Piece
		for _, piece := range slices.Concat(i.manifests, i.layers) {
			if !seen[piece.Digest] {
				fresh = append(fresh, piece)
			}
		}
		if !i.Present || p.to.Deferred(i.Image) {
			if _, i.Err = p.room.Fits(p.room.Cost(fresh)); i.Err != nil {
				continue
			}
			p.room.Promise(fresh)
		}
		for _, blob := range i.layers {
			if !seen[blob.Digest] {
				p.plan.Blobs++
			}
		}
		for _, piece := range fresh {
			seen[piece.Digest] = true
			p.room.Reserve(piece.Remaining)
			p.plan.Bytes += piece.Size
			p.plan.Missing += piece.Remaining
			p.plan.Present += piece.Size - piece.Remaining
			p.plan.Shared -= piece.Size
		}
		p.plan.Shared += i.Bytes
	}
	return p.plan
}

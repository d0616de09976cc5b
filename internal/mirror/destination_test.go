// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// A picky destination is a layout whose answers a test decides.
type picky struct {
	destination.Destination
	mu       sync.Mutex
	needs    func(ocispec.Descriptor) bool
	commit   func(destination.Staged) error
	taken    map[digest.Digest]string
	twice    bool // may be given a blob again
	finished int
}

func (p *picky) NeedsBlob(ctx context.Context, i mirror.Image, d ocispec.Descriptor) (bool, error) {
	if p.needs != nil && !p.needs(d) {
		return false, nil
	}
	return p.Destination.NeedsBlob(ctx, i, d)
}

func (p *picky) PutBlob(_ context.Context, i mirror.Image, d ocispec.Descriptor) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == nil {
		p.taken = map[digest.Digest]string{}
	}
	if before := p.taken[d.Digest]; before != "" && !p.twice {
		return errors.New("taken twice, before for " + before)
	}
	if there, err := p.Staging().Has(context.Background(), d); err != nil || !there {
		return errors.New("taken and not staged")
	}
	p.taken[d.Digest] = i.Reference()
	return nil
}

func (p *picky) Commit(ctx context.Context, s destination.Staged) error {
	if p.commit != nil {
		if err := p.commit(s); err != nil {
			return err
		}
	}
	return p.Destination.Commit(ctx, s)
}

func (p *picky) Finish(context.Context, bool) (map[string]error, error) {
	p.finished++
	return nil, nil
}

func TestDestinationTakesWhatItWantsOnce(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	to := &picky{Destination: destination.Layout(l)}
	images := s.images(quaytest.SampleTag)
	r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	whole(t, l, r, len(images))
	if len(to.taken) != r.Blobs || to.finished != 1 {
		t.Errorf("took %d of %d blobs, finished %d times", len(to.taken), r.Blobs, to.finished)
	}
}

// A destination that wrongly claimed to have blobs gets them after all.
func TestCommitThatFindsSomethingMissing(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	to := &picky{Destination: destination.Layout(l), needs: func(d ocispec.Descriptor) bool { return d.Size < 50_000 }}
	to.commit = func(s destination.Staged) error {
		var missing destination.MissingError
		for _, d := range s.Blobs {
			if there, err := l.Has(context.Background(), d); err != nil || !there {
				missing.Blobs = append(missing.Blobs, d)
			}
		}
		if missing.Blobs != nil {
			return &missing
		}
		return nil
	}
	images := s.images(quaytest.SampleTag)
	r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	whole(t, l, r, len(images))
	if r.Fetched != r.Bytes {
		t.Errorf("fetched %d of %d", r.Fetched, r.Bytes)
	}
}

// A missing blob of a referrer does not fail the image.
func TestCommitThatLacksASignature(t *testing.T) {
	y := newDataset(t)
	root := y.image("app", "linux/amd64", "a")
	y.tag("app", "v1", root)
	y.tag("app", cosign(root, ".sig"), y.artifact("app", nil, "signature"))
	content := y.blob("app", "application/vnd.example.signature", "signature")
	s := newSite(t, y.data, quaytest.WithQuirk("wrong-bytes", "/v2/yard/app/blobs/"+content.Digest.String()))
	to := &picky{Destination: destination.Layout(newLayout(t, t.TempDir()))}
	to.needs = func(d ocispec.Descriptor) bool { return d.Digest != content.Digest }
	to.commit = func(s destination.Staged) error {
		if len(s.Referrers) > 0 {
			return &destination.MissingError{Blobs: []ocispec.Descriptor{content}}
		}
		return nil
	}
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	r, err := mirror.New(to, o).Copy(t.Context(), slices.Values(s.images("v1")))
	if err != nil || r.Copied != 1 || r.Images[0].Signatures != (mirror.Signatures{Found: 1, Missing: 1}) {
		t.Errorf("%v\n%s", err, show(t, r))
	}
}

func TestCommitThatIsNeverContent(t *testing.T) {
	s := newSite(t, quaytest.SampleDataset())
	l := newLayout(t, t.TempDir())
	to := &picky{Destination: destination.Layout(l), twice: true}
	to.commit = func(s destination.Staged) error { return &destination.MissingError{Blobs: s.Blobs} }
	r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(s.images(quaytest.SampleTag)[:2]))
	if err != nil || r.Failed != 2 || !strings.Contains(r.Images[0].Error, "lacks") {
		t.Errorf("%v\n%s", err, show(t, r))
	}
	if r.Fetched != r.Bytes {
		t.Errorf("fetched %d of %d: what is staged is not fetched again", r.Fetched, r.Bytes)
	}
}

// An error of the destination fails one image, and an error of its disk ends the run. A
// file or a disk of somebody else does not.
func TestCommitThatFails(t *testing.T) {
	images := func(s *site) []mirror.Image { return s.images(quaytest.SampleTag) }
	for _, test := range []struct {
		name  string
		err   error
		whole bool
	}{
		{"refused", errors.New("refused"), false},
		{"full disk", &destination.DiskError{Err: syscall.ENOSPC}, true},
		{"unreadable file", &destination.DiskError{Err: &fs.PathError{Op: "write", Path: "x", Err: syscall.EIO}}, true},
		{"another disk is full", fmt.Errorf("credentials: %w", syscall.ENOSPC), false},
		{"another file", fmt.Errorf("credentials: %w", &fs.PathError{Op: "open", Path: "auth.json", Err: syscall.EACCES}), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, quaytest.SampleDataset())
			to := &picky{Destination: destination.Layout(newLayout(t, t.TempDir()))}
			struck := images(s)[3].Reference()
			to.commit = func(s destination.Staged) error {
				if s.Reference() == struck {
					return test.err
				}
				return nil
			}
			r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(images(s)))
			switch {
			case test.whole && (!errors.Is(err, test.err) || to.finished != 0 || r.Failed == 0):
				t.Errorf("%v, finished %d times", err, to.finished)
			case !test.whole && (err != nil || failed(r) != struck || to.finished != 1):
				t.Errorf("%v, failed %s", err, failed(r))
			}
			if r.Complete || !strings.Contains(failed(r), struck) {
				t.Errorf("have\n%s", show(t, r))
			}
		})
	}
}

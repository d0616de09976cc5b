// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

// A Destination is where images go. Blobs are staged in a layout first. One
// that has more to say is a Preparer, a Checker, a SignatureKeeper, a Sender or a
// Gatherer besides. All methods but Finish and Close are called by many goroutines.
//
// A *DiskError ends the whole Copy; any other error is of the image in question.
type Destination interface {
	// String names it, as the user wrote it.
	String() string
	// Staging is where blobs are fetched to.
	Staging() *layout.Layout
	// Name is what an image is called there.
	Name(Image) string
	// Has tells whether the image is there with this digest, whole.
	Has(ctx context.Context, i Image, root digest.Digest) (bool, error)
	// Wants tells whether the destination needs a blob: it is asked once for
	// each, for the image that needed it first.
	Wants(ctx context.Context, i Image, d ocispec.Descriptor) (bool, error)
	// Take takes a blob that it wanted and that is staged now, for the first
	// image that still waits for it.
	Take(ctx context.Context, i Image, d ocispec.Descriptor) error
	// Commit makes the image be there: its blobs were taken or were not wanted.
	// It may be called again for the same image. An error that is a
	// *MissingError names blobs that have to be staged and taken after all.
	Commit(ctx context.Context, s Staged) error
	// Finish ends a run in which all images had their turn. It is called once,
	// and not when the run was broken off.
	Finish(ctx context.Context) error
	// Close lets go of what it holds. What is unfinished stays for another run.
	// A Copier does not call it.
	Close() error
}

// A Gatherer is a Destination that gathers images and has them once Finish has
// succeeded. Awaits tells whether that goes for an image that was found there or
// committed. What became of it is told after Finish; where that fails, or is not
// called, the image failed. LeftOut returns, after Finish, the images that turned
// out not to be whole, by their names at the destination, with why: these failed,
// and no other did. Safe for concurrent use.
type Gatherer interface {
	Awaits(i Image) bool
	LeftOut() map[string]error
}

// Staged is an image all of whose parts are in the staging layout, but for
// blobs the destination did not want. Its slices are not to be changed.
type Staged struct {
	Image
	// Root is what the image's name is to stand for. Its digest is not
	// Image.Digest when the index was rewritten.
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor // children before their index; Root is the last
	Blobs     []ocispec.Descriptor // unique
	// Sparse tells that indexes list manifests that are left out.
	Sparse   bool
	Attached []Attached
	// Present tells that the destination has the image: what is new is what is
	// attached to it, or what is recorded of that.
	Present bool

	record *record // to be kept with the image; nil: none
}

// Attached is a signature, an attestation or a list of parts, and what it is
// made of.
type Attached struct {
	Tag       string // as cosign names it; "" for a referrer
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor // as of Staged
	Blobs     []ocispec.Descriptor // unique
}

// MissingError names blobs that a Commit turned out to need.
type MissingError struct{ Blobs []ocispec.Descriptor }

// Error names the first of them.
func (e *MissingError) Error() string {
	if len(e.Blobs) == 0 {
		return "destination lacks blobs"
	}
	return fmt.Sprintf("destination lacks %d blobs, such as %s", len(e.Blobs), e.Blobs[0].Digest)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package destination stores images: in an OCI image layout, in an archive (oci-archive
// or docker-archive), or in a registry.
//
// A mirror.Copier fetches blobs into the staging layout of a Destination, puts them to
// the destination, and commits an image when all of its blobs are there. A kill at any
// time leaves each image as it was before or as it is after, never in between. What a
// destination has, and which referrers it got, is found out by Has.
//
// Every destination has the same rules:
//
//   - An error concerns one image, unless it is a *DiskError.
//   - Nothing is removed, truncated or renamed that quayside has not made.
//   - An image without a Record may lack referrers, and the next run looks for them.
//   - Room is counted before anything is written, for a dry run and for a copy alike.
//
// Its neighbours: layout and ocitar keep files, registry speaks to servers, mirror
// decides what is copied and when.
package destination

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// A Destination is where images go. Blobs are staged in a layout first. An
// implementation embeds Base and adds what it has more. All methods but Finish and
// Close are called by many goroutines at once.
//
// A *DiskError ends the whole Copy. Any other error concerns one image.
type Destination interface {
	// String returns the name that the user wrote.
	String() string
	// Staging returns the layout that blobs are fetched into.
	Staging() *layout.Layout
	// Name returns what an image is called at the destination; "" if it has no name there.
	Name(i Image) string

	// Has reports whether the image is there, with its root digest. It is called
	// again, with the manifests and blobs, once these are known: of an index, only
	// the images that were chosen must be there.
	Has(ctx context.Context, s Staged) (Found, error)
	// Prepare reports why an image cannot be written, before anything of it is
	// fetched. With dryRun, nothing changes: a registry may create a repository when
	// it is asked whether the repository can be pushed to.
	Prepare(ctx context.Context, i Image, dryRun bool) error
	// Check reports why the destination cannot hold an image, before its blobs are
	// fetched. s.Referrers is empty. manifests are those of s by their digests.
	Check(ctx context.Context, s Staged, manifests map[digest.Digest]manifest.Manifest) error
	// KeepsReferrers reports whether signatures and other referrers can be stored. If
	// not, they are not looked for.
	KeepsReferrers() bool

	// NeedsBlob reports whether the destination needs a blob. It is called once for
	// each, for the image that needed the blob first.
	NeedsBlob(ctx context.Context, i Image, d ocispec.Descriptor) (bool, error)
	// PutBlob stores a blob that is needed and staged, for the first image that still
	// waits for the blob.
	PutBlob(ctx context.Context, i Image, d ocispec.Descriptor) error
	// Commit stores the image after its blobs. It may be called again for the same
	// image. A *MissingError names blobs that have to be staged and put after all.
	Commit(ctx context.Context, s Staged) error

	// Deferred reports whether an image that is present or committed exists only
	// after Finish. If Finish fails or is not called, such an image failed.
	Deferred(i Image) bool
	// Held returns, with their sizes, the blobs and manifests that the file which
	// Finish writes will have in any case. false: Finish writes no file.
	Held(ctx context.Context) (map[digest.Digest]int64, bool)
	// Sent returns how many bytes of blobs were uploaded, and how many the registry
	// mounted from another repository.
	Sent() (uploaded, mounted int64)

	// Finish ends a run in which all images were tried. complete: none of them
	// failed. It is called once, and not after a run that ended early. It returns
	// the images that it left out because they are damaged, incomplete, or do not
	// fit on the disk, by their names at the destination.
	Finish(ctx context.Context, complete bool) (leftOut map[string]error, err error)
	// Close releases what the destination holds. Unfinished work stays for another
	// run. A Copier does not call Close.
	Close() error
}

// A Base has the methods of a Destination that stores each image at once, with its
// referrers, as soon as its blobs are staged.
type Base struct{}

// Prepare finds nothing wrong.
func (Base) Prepare(context.Context, Image, bool) error { return nil }

// Check finds nothing wrong.
func (Base) Check(context.Context, Staged, map[digest.Digest]manifest.Manifest) error { return nil }

// KeepsReferrers returns true.
func (Base) KeepsReferrers() bool { return true }

// PutBlob does nothing: the blob is in the staging layout.
func (Base) PutBlob(context.Context, Image, ocispec.Descriptor) error { return nil }

// Deferred returns false.
func (Base) Deferred(Image) bool { return false }

// Held returns nothing.
func (Base) Held(context.Context) (map[digest.Digest]int64, bool) { return nil, false }

// Sent returns zero.
func (Base) Sent() (uploaded, mounted int64) { return 0, 0 }

// Finish does nothing.
func (Base) Finish(context.Context, bool) (map[string]error, error) { return nil, nil }

// Close does nothing.
func (Base) Close() error { return nil }

// Found is what a destination has of an image.
type Found struct {
	Present bool
	// MaybePartial is set if only some images of an index may be there. Has finds out
	// when the manifests are known.
	MaybePartial bool
	// record lists the referrers that were stored with the image; nil: not known.
	Record *Record
}

// Staged is an image whose manifests and blobs are in the staging layout, except for
// blobs that the destination did not need. Its slices must not be changed.
type Staged struct {
	Image
	// Root is what the image's name stands for at the destination. Its digest is not
	// Image.Digest if the index was rewritten. Has may be called with the digest alone.
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor // children before their index; Root is the last
	Blobs     []ocispec.Descriptor // unique
	Sparse    bool                 // indexes list manifests that are left out
	Referrers []Referrer
	// Present is set if the destination has the image: only what is attached to it,
	// or the record of that, is new.
	Present bool

	Record *Record // to be stored with the image; nil: none
}

// A Referrer is a signature, an attestation or an SBOM, and its content.
type Referrer struct {
	Tag       string // the name that cosign gives it; "" if it has a subject
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package destination stores images: in an OCI image layout, in an archive (oci-archive
// or docker-archive), or in a registry.
//
// A mirror.Copier fetches blobs into the staging layout of a Destination, puts them to
// the destination, and commits an image when all of its blobs are stored. Each image
// changes atomically, also if the process is killed. Has reports what a destination has of
// an image, and which of its referrers.
//
// Every destination has the same rules:
//
//   - An error concerns one image, unless it is a *DiskError.
//   - Only files that quayside made are removed, truncated or renamed.
//   - An image without a Record may lack referrers, and the next run looks for them.
//   - The room on the disk is computed before writing, in the same way for a dry run and
//     for a copy.
//
// Its neighbours: layout and ocitar store files, registry sends requests to servers, and
// mirror decides what is copied and when.
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
// implementation embeds Base and overrides some of its methods. Many goroutines call
// the methods at once, except Finish and Close.
//
// A *DiskError ends the whole Copy. Any other error concerns one image.
type Destination interface {
	// String returns the name that the user wrote.
	String() string
	// Staging returns the layout that blobs are fetched into.
	Staging() *layout.Layout
	// Name returns the name of an image at the destination; "" if it has none.
	Name(i Image) string

	// Has reports whether the destination has the image with its root digest. It is
	// called again once the manifests and blobs are known: then only the chosen images
	// of an index must be present.
	Has(ctx context.Context, s Staged) (Found, error)
	// Prepare returns an error if an image cannot be written. It is called before
	// anything of the image is fetched. With dryRun it changes nothing: a check of push
	// access may make a registry create the repository.
	Prepare(ctx context.Context, i Image, dryRun bool) error
	// Check returns an error if the destination cannot store an image. It is called
	// before the blobs are fetched. s.Referrers is empty. manifests has the manifests
	// of s by digest.
	Check(ctx context.Context, s Staged, manifests map[digest.Digest]manifest.Manifest) error
	// KeepsReferrers reports whether signatures and other referrers can be stored. If
	// not, no run searches for them.
	KeepsReferrers() bool

	// NeedsBlob reports whether the destination needs a blob. It is called once for
	// each blob, with the first image that needs it.
	NeedsBlob(ctx context.Context, i Image, d ocispec.Descriptor) (bool, error)
	// PutBlob stores a staged blob that the destination needs. i is the first image that
	// still waits for the blob.
	PutBlob(ctx context.Context, i Image, d ocispec.Descriptor) error
	// Commit stores the image after its blobs. It may be called again for the same
	// image. A *MissingError lists blobs that must be staged and put after all.
	Commit(ctx context.Context, s Staged) error

	// Deferred reports whether an image that is present or committed exists only
	// after Finish. If Finish fails or is not called, such an image failed.
	Deferred(i Image) bool
	// Held returns the blobs and manifests, with their sizes, that Finish will write
	// in any case. It returns false if Finish writes no file.
	Held(ctx context.Context) (map[digest.Digest]int64, bool)
	// Sent returns how many bytes of blobs were uploaded, and how many the registry
	// mounted from another repository.
	Sent() (uploaded, mounted int64)

	// Finish ends a run in which all images were tried. complete reports whether none
	// of them failed. Finish is called once, and not after a run that ended early. It
	// returns the images that it left out because they are damaged, incomplete, or do
	// not fit on the disk, by their names at the destination.
	Finish(ctx context.Context, complete bool) (leftOut map[string]error, err error)
	// Close releases the destination's resources. Unfinished work stays for the next
	// run. A Copier does not call Close.
	Close() error
}

// A Base implements the optional methods of a Destination. It suits a destination that
// stores an image and its referrers as soon as their blobs are staged.
type Base struct{}

// Prepare returns nil.
func (Base) Prepare(context.Context, Image, bool) error { return nil }

// Check returns nil.
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
	// MaybePartial is set if the destination may have only some images of an index. The
	// call of Has with the manifests decides.
	MaybePartial bool
	// Record lists the referrers that were stored with the image; nil: unknown.
	Record *Record
}

// Staged is an image whose manifests and blobs are in the staging layout, except for
// blobs that the destination did not need. Its slices must not be changed.
type Staged struct {
	Image
	// Root is the manifest or index that the image's name refers to at the destination.
	// If the index was rewritten, its digest differs from Image.Digest. Has may be called
	// with only the digest set.
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor // children before their index; Root is the last
	Blobs     []ocispec.Descriptor // unique
	Sparse    bool                 // indexes list manifests that are left out
	Referrers []Referrer
	// Present is set if the destination has the image already. Then only its referrers or
	// its record are new.
	Present bool

	Record *Record // to be stored with the image; nil: none
}

// A Referrer is a signature, an attestation or an SBOM, and its content.
type Referrer struct {
	Tag       string // cosign's tag for it; "" if it has a subject
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor // as of Staged
	Blobs     []ocispec.Descriptor // unique
}

// MissingError lists blobs that Commit needs and that are missing.
type MissingError struct{ Blobs []ocispec.Descriptor }

// Error names the first blob.
func (e *MissingError) Error() string {
	if len(e.Blobs) == 0 {
		return "destination lacks blobs"
	}
	return fmt.Sprintf("destination lacks %d blobs, such as %s", len(e.Blobs), e.Blobs[0].Digest)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

// A Destination is where images go. Blobs are staged in a layout first.
type Destination interface {
	// String names it, as the user wrote it.
	String() string
	// Staging is where blobs are fetched to.
	Staging() *layout.Layout
	// Name is what an image is called there.
	Name(Image) string
	// Has tells whether the image is there with this digest, whole.
	Has(ctx context.Context, i Image, root digest.Digest) (bool, error)
	// Wants tells whether a blob has to be fetched for it.
	Wants(ctx context.Context, i Image, d ocispec.Descriptor) (bool, error)
	// Take takes a blob that is staged, for the image that comes first.
	Take(ctx context.Context, i Image, d ocispec.Descriptor) error
	// Commit makes the image be there: its blobs were taken or were not wanted.
	// An error that is a *MissingError names blobs that have to be fetched after all.
	Commit(ctx context.Context, s Staged) error
	// Finish ends a run in which all images had their turn.
	Finish(ctx context.Context) error
	// Close lets go of what it holds. What is unfinished stays for another run.
	Close() error
}

// Staged is an image all of whose parts are in the staging layout, but for
// blobs the destination did not want.
type Staged struct {
	Image
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor // children before their index; Root is the last
	Blobs     []ocispec.Descriptor // unique
	Attached  []Attached
}

// Attached is a signature and what it is made of.
type Attached struct {
	Tag       string // "" for a referrer
	Root      ocispec.Descriptor
	Manifests []ocispec.Descriptor
	Blobs     []ocispec.Descriptor
}

// MissingError names blobs that a Commit turned out to need.
type MissingError struct{ Blobs []ocispec.Descriptor }

func (e *MissingError) Error() string { panic("todo") }

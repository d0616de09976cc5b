// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

// ErrNoRoom is the error for an image that does not fit on the disk (use errors.Is).
var ErrNoRoom = errors.New("no room on the disk")

// tarOverhead is the size of the header and the padding of a file in a tar, in bytes.
const tarOverhead = 1024

// A Room counts the bytes that images take on the staging disk, for a Plan and for a
// Copy alike. Images are admitted one after another: the missing bytes of an image must
// fit into the space that the images before it leave free. An archive needs its bytes
// twice: in the staging folder, and in the new tar, which also contains the old archive.
// Not safe for concurrent use.
type Room struct {
	staging *layout.Layout
	tar     bool
	held    map[digest.Digest]int64 // content of the new tar in any case
	base    int64                   // bytes of held in the tar

	reserved int64                 // bytes admitted and not written yet
	promised int64                 // bytes admitted for the new tar
	refs     map[digest.Digest]int // number of admitted images that have a piece
}

// A Piece is a blob or a manifest, and how many bytes of it still have to be written
// to the staging folder.
type Piece struct {
	Digest          digest.Digest
	Size, Remaining int64
}

// NewRoom returns the room of a destination.
func NewRoom(ctx context.Context, to Destination) *Room {
	held, tar := to.Held(ctx)
	return newRoom(to.Staging(), held, tar)
}

func newRoom(staging *layout.Layout, held map[digest.Digest]int64, tar bool) *Room {
	r := &Room{staging: staging, tar: tar, held: held, refs: map[digest.Digest]int{}}
	for _, size := range held {
		r.base += size + tarOverhead
	}
	return r
}

// Cost returns how many more bytes an image with these pieces needs.
func (r *Room) Cost(pieces []Piece) (bytes int64) {
	for _, p := range pieces {
		bytes += p.Remaining
		if r.isNew(p.Digest) && r.refs[p.Digest] == 0 {
			bytes += p.Size + tarOverhead
		}
	}
	return bytes
}

// isNew reports whether a piece makes the tar larger.
func (r *Room) isNew(d digest.Digest) bool {
	_, held := r.held[d]
	return r.tar && !held
}

// Fits returns an error that matches ErrNoRoom if cost more bytes do not fit. later
// reports whether they may fit once the reserved bytes have been written or have failed.
func (r *Room) Fits(cost int64) (later bool, err error) {
	free, err := r.staging.Free()
	if err != nil {
		return false, nil // free space is unknown: the write reports a full disk
	}
	left := free - r.base - r.promised
	if cost <= left-r.reserved {
		return false, nil
	}
	needs, has := amounts(cost+r.base, max(left-r.reserved, 0)+r.base)
	err = fmt.Errorf("%w: the image needs %s in %s, and only %s are free: free some space and run again", ErrNoRoom, needs, r.staging.Dir(), has)
	return r.reserved > 0 && cost <= free-r.base, err
}

// amounts formats two sizes in MB or kB, or in bytes if both would look the same.
func amounts(x, y int64) (string, string) {
	format, unit := "%.1f MB", 1e6
	if max(x, y) < 1e6 {
		format, unit = "%.1f kB", 1e3
	}
	a, b := fmt.Sprintf(format, float64(x)/unit), fmt.Sprintf(format, float64(y)/unit)
	if a == b {
		return fmt.Sprintf("%d bytes", x), fmt.Sprintf("%d bytes", y)
	}
	return a, b
}

// Reserve adds bytes that will be written to the staging folder. A negative number
// cancels a reservation.
func (r *Room) Reserve(bytes int64) { r.reserved += bytes }

// Promise adds pieces that will be in the tar.
func (r *Room) Promise(pieces []Piece) {
	for _, p := range pieces {
		if !r.isNew(p.Digest) {
			continue
		}
		if r.refs[p.Digest]++; r.refs[p.Digest] == 1 {
			r.promised += p.Size + tarOverhead
		}
	}
}

// Withdraw reverses Promise.
func (r *Room) Withdraw(pieces []Piece) {
	for _, p := range pieces {
		if !r.isNew(p.Digest) {
			continue
		}
		if r.refs[p.Digest]--; r.refs[p.Digest] == 0 {
			r.promised -= p.Size + tarOverhead
		}
	}
}

// staged returns blobs and manifests that do not have to be fetched.
func staged(all []ocispec.Descriptor) (pieces []Piece) {
	for _, d := range all {
		pieces = append(pieces, Piece{Digest: d.Digest, Size: d.Size})
	}
	return pieces
}

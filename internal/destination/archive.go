// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/ocitar"
)

// The kinds of archives, with their colons.
const (
	ociKind    = "oci-archive:"
	dockerKind = "docker-archive:"
)

// stagings are the endings that make the name of the staging folder out of the
// archive's. Each kind has its own, for what one has staged the other may not
// hold: an index, a signature, or one image out of an index by the index's name.
var stagings = map[string]string{ociKind: ".quayside", dockerKind: ".quayside-docker"}

// ToOCIArchive copies into file, a tar of an OCI image layout. Images are named
// in it as in a layout, by their full reference, and the same images make the
// same bytes: sorted, without times, owners or modes of their own.
//
// Blobs are staged in the folder file.quayside beside it, or file.quayside-2 and so
// on if somebody else has that name (see layout.Options). A symbolic link is followed: the
// folder is beside the file that it leads to. One process at a time works on an archive, of either
// kind. Finish writes the archive in the staging folder and renames it, so that at any instant there
// is the old archive or the new one, whole. The new one has the mode of the old one. Then there are
// three copies of the images for a moment: staged, old and new. Close removes the folder when no image that had its turn failed.
// Otherwise, and after a kill, it stays, and the next run goes on from there; the
// archive has the images that are whole.
//
// An archive that is there is added to. Its images stay unless one of the same
// name replaces them, and blobs it has are not fetched again: they are hashed
// where they lie before they count as there. When nothing changed, the file is
// not touched. A file that is something else is an error, and so is an archive
// made by ToDockerArchive.
//
// The options are the staging folder's: read only, nothing is made, for a Plan.
func OCIArchive(file string, o layout.Options) (Destination, error) {
	return openArchive(ociKind, file, o)
}

// An archive is a Destination that becomes one file. Safe for concurrent use,
// but for Finish and Close.
type archive struct {
	Base
	kind     string
	text     string // as the user wrote it
	file     string // the file, where a link leads to
	readOnly bool
	staging  *layout.Layout
	old      *ocitar.Reader // empty if there is no file yet
	commit   func(ctx context.Context, s Staged) error

	mu        sync.Mutex
	committed map[string]bool                                 // names that were, and may have changed in something
	leftOut   map[string]error                                // names that Finish left out, and why
	noRoom    map[string]error                                // staged names that the disk has no room for in the new tar
	diffs     map[digest.Digest]func() (digest.Digest, error) // of layers, once they were read
	finished  bool                                            // staging holds nothing that the archive has not
	closed    bool
}

func openArchive(kind, file string, o layout.Options) (*archive, error) {
	if file == "" {
		return nil, fmt.Errorf("%s names no file", kind)
	}
	text := file
	file, err := disk.Follow(file)
	if err != nil {
		return nil, fmt.Errorf("%s%s: the archive cannot be made: %w", kind, text, err)
	}
	dir := filepath.Dir(file)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s%s: the archive cannot be made, for the folder %s is not there: make it first", kind, text, dir)
	} else if err != nil {
		return nil, fmt.Errorf("%s%s: the archive cannot be made: %w", kind, text, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s%s: the archive cannot be made, for %s is no folder: name another", kind, text, dir)
	}
	// The lock comes before the look at the file that another process may be
	// about to replace, and at who makes one of the other kind of it.
	o.Staging = kind
	staging, err := layout.Open(file+stagings[kind], o)
	if err != nil {
		return nil, fmt.Errorf("%s%s: staging folder: %w", kind, text, err)
	}
	a := &archive{
		kind: kind, text: text, file: file, readOnly: o.ReadOnly, staging: staging, old: new(ocitar.Reader),
		committed: map[string]bool{}, leftOut: map[string]error{}, noRoom: map[string]error{},
		diffs: map[digest.Digest]func() (digest.Digest, error){},
	}
	a.commit = Layout(staging).Commit
	if err := a.alone(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s%s: staging folder: %w", kind, text, err), a.Close())
	}
	old, err := ocitar.Open(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil:
		if a.old = old; old.Loadable() != a.docker() {
			err = errors.New("it is an archive of the other kind, oci-archive or docker-archive")
		}
	}
	if err != nil {
		err = fmt.Errorf("%s%s: images cannot be added to what is there: %w; name another file, or move it away", kind, text, err)
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *archive) docker() bool { return a.kind == dockerKind }

// alone refuses to write where a process makes an archive of another kind.
func (a *archive) alone() error {
	for kind, ending := range stagings {
		if kind != a.kind && !a.readOnly {
			dir, err := layout.StagingFolder(a.file+ending, kind)
			if err == nil {
				err = layout.InUse(dir)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// String gives the kind and the file.
func (a *archive) String() string { return a.kind + a.text }

// Staging is the layout beside the file.
func (a *archive) Staging() *layout.Layout { return a.staging }

// Name is the full reference.
func (a *archive) Name(i Image) string { return i.Reference() }

// Has looks in the staging folder, which is newer, and then in the archive: by size. An
// image that was staged and does not fit on the disk is an error that meets ErrNoRoom.
func (a *archive) Has(ctx context.Context, s Staged) (Found, error) {
	f, err := find(ctx, a, s)
	if f.Present && err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		err = a.noRoom[a.Name(s.Image)]
	}
	return f, err
}

func (a *archive) image(name string) (ocispec.Descriptor, bool) {
	if e, ok := a.staging.Image(name); ok {
		return e.Descriptor, true
	}
	return a.old.Image(name)
}

// hasBlob reports whether a blob is staged or in the old archive, by its size.
func (a *archive) hasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	there, err := a.staging.Has(ctx, d)
	if there || err != nil && !errors.Is(err, layout.ErrCorrupt) {
		return there, StagingError(err)
	}
	return a.old.Has(d), nil
}

// NeedsBlob is false for a blob that is staged, or in the old archive with content
// that fits its digest.
func (a *archive) NeedsBlob(ctx context.Context, _ Image, d ocispec.Descriptor) (bool, error) {
	there, err := a.staging.Has(ctx, d)
	if there || err != nil {
		return false, StagingError(err)
	}
	if !a.old.Has(d) {
		return true, nil
	}
	err = a.old.Verify(ctx, d.Digest)
	return err != nil, context.Cause(ctx)
}

// Held returns the content of the old archive, and of the images that an earlier run
// has staged, as far as the disk has room for them in the new archive.
func (a *archive) Held(ctx context.Context) (map[digest.Digest]int64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.old.Sizes()
	room := newRoom(a.staging, a.old.Sizes(), true)
	graph := graphOf(a)
	for _, e := range a.staging.Images() {
		parts, _ := a.parts(ctx, graph, e.Descriptor, true) // Finish reports what cannot be read
		if err := a.fit(room, e, parts); err != nil {
			a.noRoom[e.Name] = err
			continue
		}
		for _, d := range parts {
			held[d.Digest] = d.Size
		}
	}
	return held, true
}

// fit promises room for a staged image in the new archive, or returns an error that
// meets ErrNoRoom. An image that changes nothing in the archive needs no room.
func (a *archive) fit(room *Room, e layout.Entry, parts []ocispec.Descriptor) error {
	pieces := staged(parts)
	cost := room.Cost(pieces)
	old, ok := a.old.Image(e.Name)
	if same := ok && old.Digest == e.Descriptor.Digest && maps.Equal(old.Annotations, e.Descriptor.Annotations); !same || cost > 0 {
		if _, err := room.Fits(cost); err != nil {
			return err
		}
	}
	room.Promise(pieces)
	return nil
}

// Commit notes the image in the staging folder, for Finish to write.
func (a *archive) Commit(ctx context.Context, s Staged) error {
	if err := a.lacks(ctx, s); err != nil {
		return err
	}
	if err := a.commit(ctx, s); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.committed[a.Name(s.Image)] = true
	delete(a.noRoom, a.Name(s.Image)) // another image has the name by now
	return nil
}

// lacks returns a *MissingError when a blob is neither staged nor in the old archive.
func (a *archive) lacks(ctx context.Context, s Staged) error {
	missing := &MissingError{}
	parts := [][]ocispec.Descriptor{s.Blobs}
	for _, at := range s.Attached {
		parts = append(parts, at.Blobs)
	}
	for _, d := range slices.Concat(parts...) {
		there, err := a.hasBlob(ctx, d)
		if err != nil {
			return err
		}
		if !there {
			missing.Blobs = append(missing.Blobs, d)
		}
	}
	if len(missing.Blobs) > 0 {
		return missing
	}
	return nil
}

// Deferred reports whether an image is staged alone: the archive that is there has
// none of its name, or another one, or not all that belongs to it now.
func (a *archive) Deferred(i Image) bool {
	e, staged := a.staging.Image(a.Name(i))
	was, there := a.old.Image(a.Name(i))
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.committed[a.Name(i)] || staged && !(there && was.Digest == e.Descriptor.Digest)
}

// Close removes the staging folder when there is nothing in it that the archive
// has not. A second Close does nothing: the folder may be another process's then.
func (a *archive) Close() error {
	if a.closed {
		return nil
	}
	a.closed = true
	err := a.old.Close()
	if !a.readOnly && (a.finished || a.staging.Bare()) {
		return errors.Join(err, a.staging.Remove())
	}
	return errors.Join(err, a.staging.Close())
}

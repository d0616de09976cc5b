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

// The kinds of archives, as they appear in a destination's name.
const (
	ociKind    = "oci-archive:"
	dockerKind = "docker-archive:"
)

// stagingSuffixes are appended to the archive's name to name its staging folder. Each kind
// has its own folder, because a kind may not support what the other kind has staged: an
// index, a signature, or one image of an index under the name of the index.
var stagingSuffixes = map[string]string{ociKind: ".quayside", dockerKind: ".quayside-docker"}

// OCIArchive returns a destination that writes a tar of an OCI image layout. Images are
// entries with their full reference, as in a layout. The same images produce the same
// bytes: entries are sorted, and have no times or owners.
//
// If the archive exists, images are added to it. Its images stay, unless an image of the
// same name replaces them. Its blobs are hashed and not fetched again. If nothing changed,
// the file is not written. A file that is not such an archive is refused, and so is an
// archive that DockerArchive wrote.
//
// Blobs are staged in a folder beside the file: file.quayside, or file.quayside-2 and so on
// if that name is taken (see layout.Options). If file is a symbolic link, its target
// counts. One process at a time works on an archive. Finish writes the new archive in the
// staging folder and renames it, so that the archive is complete at any time; the new file
// has the mode of the old one. For a moment the disk holds three copies of the images. Close
// removes the staging folder if all images succeeded. Otherwise, and after a kill, the
// folder stays, and the next run continues from it.
//
// With o.ReadOnly, it writes nothing.
func OCIArchive(file string, o layout.Options) (Destination, error) {
	return openArchive(ociKind, file, o)
}

// An archive is a Destination that writes one file. Safe for concurrent use, except
// Finish and Close.
type archive struct {
	Base
	kind     string
	name     string // as the user wrote it
	file     string // name, or the target if name is a symbolic link
	readOnly bool
	staging  *layout.Layout
	old      *ocitar.Reader   // empty if there is no file yet
	leftOut  map[string]error // images that Finish left out, by name
	opaque   bool             // the blobs that an entry of old needs are unknown
	finished bool             // the file contains all staged images
	closed   bool

	mu        sync.Mutex
	committed map[string]bool                                 // names
	noRoom    map[string]error                                // staged names that do not fit on the disk
	diffIDs   map[digest.Digest]func() (digest.Digest, error) // of layers, read once
}

func openArchive(kind, name string, o layout.Options) (*archive, error) {
	a := &archive{
		kind: kind, name: name, readOnly: o.ReadOnly, old: new(ocitar.Reader),
		leftOut: map[string]error{}, committed: map[string]bool{}, noRoom: map[string]error{},
		diffIDs: map[digest.Digest]func() (digest.Digest, error){},
	}
	if name == "" {
		return nil, fmt.Errorf("%s names no file", kind)
	}
	if err := a.checkFolder(); err != nil {
		return nil, fmt.Errorf("%s: cannot create the archive: %w", a, err)
	}
	// The lock comes first: another process may be about to replace the file.
	o.Staging = kind
	var err error
	if a.staging, err = layout.Open(a.file+stagingSuffixes[kind], o); err != nil {
		return nil, fmt.Errorf("%s: staging folder: %w", a, err)
	}
	if err := a.checkOtherKind(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: staging folder: %w", a, err), a.Close())
	}
	old, err := ocitar.Open(a.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil:
		if a.old = old; old.Loadable() != a.docker() {
			err = errors.New("it is an archive of the other kind, oci-archive or docker-archive")
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: cannot add images to the existing file: %w; name another file, or move this file away", a, err)
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *archive) docker() bool { return a.kind == dockerKind }

// checkFolder follows a link to the file, and returns an error if the file's folder does
// not exist.
func (a *archive) checkFolder() (err error) {
	if a.file, err = disk.Follow(a.name); err != nil {
		return err
	}
	dir := filepath.Dir(a.file)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s does not exist: create it first", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder: name another one", dir)
	}
	return nil
}

// checkOtherKind returns an error if a process is writing an archive of the other kind to
// the same file.
func (a *archive) checkOtherKind() error {
	for kind, ending := range stagingSuffixes {
		if kind == a.kind || a.readOnly {
			continue
		}
		dir, err := layout.StagingFolder(a.file+ending, kind)
		if err == nil {
			err = layout.InUse(dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// String returns the kind and the file.
func (a *archive) String() string { return a.kind + a.name }

// Staging returns the layout beside the file.
func (a *archive) Staging() *layout.Layout { return a.staging }

// Name returns the full reference.
func (a *archive) Name(i Image) string { return i.Reference() }

// Has looks in the staging folder, which is newer, and then in the file. Blobs count by
// their size. The error for a staged image that does not fit on the disk is ErrNoRoom.
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

// hasBlob reports whether a blob of this size is staged or in the old archive.
func (a *archive) hasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	there, err := a.staging.Has(ctx, d)
	if there || err != nil && !errors.Is(err, layout.ErrCorrupt) {
		return there, StagingError(err)
	}
	return a.old.Has(d), nil
}

// NeedsBlob returns false if the blob is staged, or if the old archive has it with content
// that matches the digest.
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

// Held returns the blobs of the old archive. It adds the blobs of images that an earlier
// run has staged, if the disk has room for them in the new archive.
func (a *archive) Held(ctx context.Context) (map[digest.Digest]int64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.old.Sizes()
	room := newRoom(a.staging, a.old.Sizes(), true)
	graph := graphOf(a)
	for _, e := range a.staging.Images() {
		parts, _, _, _ := a.parts(ctx, graph, e.Descriptor) // Finish reports problems
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

// fit reserves room for a staged image in the new archive, or returns an error that
// matches ErrNoRoom. An image that changes nothing in the archive needs no room.
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

// Commit adds the image to the index of the staging folder, from which Finish writes the
// archive.
func (a *archive) Commit(ctx context.Context, s Staged) error {
	if err := a.checkBlobs(ctx, s); err != nil {
		return err
	}
	if err := Layout(a.staging).Commit(ctx, s); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.committed[a.Name(s.Image)] = true
	delete(a.noRoom, a.Name(s.Image)) // recorded for an earlier image of that name
	return nil
}

// checkBlobs returns a *MissingError if a blob is neither staged nor in the old archive.
func (a *archive) checkBlobs(ctx context.Context, s Staged) error {
	blobs := slices.Clone(s.Blobs)
	for _, at := range s.Referrers {
		blobs = append(blobs, at.Blobs...)
	}
	missing := &MissingError{}
	for _, d := range blobs {
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

// Deferred reports whether an image is staged and the old archive does not have the same
// version of it.
func (a *archive) Deferred(i Image) bool {
	e, staged := a.staging.Image(a.Name(i))
	old, there := a.old.Image(a.Name(i))
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.committed[a.Name(i)] || staged && !(there && old.Digest == e.Descriptor.Digest)
}

// Close removes the staging folder if the archive has all of its content. A second Close
// does nothing, because another process may have the folder by then.
func (a *archive) Close() error {
	if a.closed {
		return nil
	}
	a.closed = true
	err := a.old.Close()
	if !a.readOnly && (a.finished || a.staging.Empty()) {
		return errors.Join(err, a.staging.Remove())
	}
	return errors.Join(err, a.staging.Close())
}

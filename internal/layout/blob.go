// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/manifest"
)

// Has reports whether the layout has the complete blob. It compares the size, or with
// Options.Check the hash, once for each blob and process. Has removes a damaged blob,
// unless the layout is read only. If a file matches its digest but not the descriptor's
// size, the descriptor is wrong: the file stays and the error is ErrCorrupt.
func (l *Layout) Has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	if err := errors.Join(manifest.Check(d), l.usable(ctx)); err != nil {
		return false, l.failed("look for a blob", err)
	}
	info, err := disk.Stat(l.blob(d.Digest))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrNotRegular) {
		return false, nil // install moves such an obstacle aside
	} else if err != nil {
		return false, l.failed("look for a blob", err)
	}
	if info.Size() == d.Size && !l.check {
		return true, nil
	}
	if info.Size() != d.Size && info.Size() > maxDoubtful {
		return false, nil // content that matches the descriptor replaces the file
	}
	err = l.checked(ctx, checkKey{d.Digest, info.Size()})
	if errors.Is(err, ErrMissing) || errors.Is(err, ErrCorrupt) {
		return false, nil
	} else if err != nil {
		return false, l.failed("check "+d.Digest.String(), err)
	}
	if info.Size() != d.Size {
		return false, l.failed("look for "+d.Digest.String(), fmt.Errorf("%w: the descriptor says %d bytes, and the file of %d bytes matches the digest",
			ErrCorrupt, d.Size, info.Size()))
	}
	return true, nil
}

// Blob opens a blob for reading and returns its size in bytes, without hashing the content.
// The error for a missing blob is ErrMissing. The caller closes the blob.
func (l *Layout) Blob(d digest.Digest) (io.ReadSeekCloser, int64, error) {
	if err := errors.Join(d.Validate(), l.usable(context.Background())); err != nil {
		return nil, 0, l.failed("open a blob", err)
	}
	file, size, err := l.open(d)
	if err != nil {
		return nil, 0, l.failed("open "+d.String(), err)
	}
	return file, size, nil
}

// open opens a blob, or returns ErrMissing.
func (f folder) open(d digest.Digest) (*os.File, int64, error) {
	file, info, err := disk.Open(f.blob(d))
	if err != nil {
		return nil, 0, f.unreadable(d, err)
	}
	return file, info.Size(), nil
}

// unreadable classifies the error of opening or reading a blob. A file that is not
// regular is not a blob: ErrMissing. If the file exists and cannot be read, only this
// blob is affected: ErrUnreadable. Other errors affect the folder and are returned
// unchanged.
func (f folder) unreadable(d digest.Digest, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, disk.ErrNotRegular):
		return fmt.Errorf("%w: %w", ErrMissing, err)
	case errors.Is(err, fs.ErrNotExist):
		return ErrMissing
	}
	if _, statErr := os.Lstat(f.blob(d)); statErr == nil && errors.As(err, new(*fs.PathError)) {
		return fmt.Errorf("%w: %w; make it readable or remove it, and run again", ErrUnreadable, err)
	}
	return err
}

// Read returns the content of a small blob (a manifest, a configuration), of
// manifest.MaxSize bytes at most, checked against the descriptor. The error is ErrMissing,
// ErrCorrupt or ErrUnreadable. A damaged blob stays until Put or a Partial replaces it.
func (l *Layout) Read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if err := errors.Join(manifest.Check(d), l.usable(ctx)); err != nil {
		return nil, l.failed("read a blob", err)
	}
	content, err := l.read(d.Digest)
	if err == nil && int64(len(content)) != d.Size {
		err = fmt.Errorf("%w: %d bytes, not %d", ErrCorrupt, len(content), d.Size)
	}
	if err != nil {
		return nil, l.failed("read "+d.Digest.String(), err)
	}
	return content, nil
}

// read reads a small blob and checks its digest. The limit on its size applies before
// reading.
func (f folder) read(d digest.Digest) ([]byte, error) {
	content, err := readFile(f.blob(d), manifest.MaxSize)
	if errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err != nil {
		return nil, f.unreadable(d, err)
	}
	if d.Algorithm().FromBytes(content) != d {
		return nil, ErrCorrupt
	}
	return content, nil
}

// graph returns the graph of the layout's manifests. It follows only content that matches
// its digest.
func (f folder) graph() *manifest.Graph {
	return manifest.NewGraph(func(_ context.Context, d ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
		content, err := f.read(d.Digest)
		return d, content, err
	})
}

// Put stores a small blob and returns when its content is on disk. The error is ErrCorrupt
// if the content does not match the descriptor. Put replaces a damaged blob. Many
// goroutines may put the same blob.
func (l *Layout) Put(ctx context.Context, d ocispec.Descriptor, content []byte) error {
	if err := errors.Join(manifest.Check(d), l.writable(ctx)); err != nil {
		return l.failed("store a blob", err)
	}
	if int64(len(content)) != d.Size || d.Digest.Algorithm().FromBytes(content) != d.Digest {
		return l.failed("store "+d.Digest.String(), ErrCorrupt)
	}
	if l.same(d.Digest, content) {
		return nil
	}
	return l.failed("store "+d.Digest.String(), l.putFile(d, content))
}

func (l *Layout) putFile(d ocispec.Descriptor, content []byte) error {
	file, err := l.newFile()
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = l.install(file.Name(), d)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// same reports whether the layout has a blob with this content.
func (f folder) same(d digest.Digest, content []byte) bool {
	there, err := readFile(f.blob(d), int64(len(content)))
	return err == nil && bytes.Equal(there, content)
}

// install gives a file that was hashed and synced its final name. writeIndex syncs the
// name later, together with others, before an index can name the blob. install fails after
// Close, because another process may hold the lock.
func (l *Layout) install(temp string, d ocispec.Descriptor) error {
	l.removal.Lock()
	defer l.removal.Unlock()
	if err := l.usable(context.Background()); err != nil {
		return err
	}
	final := l.blob(d.Digest)
	if _, err := l.makeFolder(filepath.Dir(final)); err != nil {
		return err
	}
	if err := l.moveObstacle(d.Digest); err != nil {
		return err
	}
	if err := l.rename(temp, final); err != nil {
		return err
	}
	l.markChecked(d.Digest, d.Size)
	return nil
}

// rename gives a file its name and marks the folder as unsynced. It does both under one
// lock, because another goroutine may tag an image with the blob as soon as it is visible.
func (l *Layout) rename(temp, final string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Rename(temp, final); err != nil {
		return err
	}
	l.unsynced[filepath.Dir(final)] = true
	return nil
}

// moveObstacle moves anything but a regular file out of a blob's place. The caller holds
// l.removal.
func (l *Layout) moveObstacle(d digest.Digest) error {
	info, err := os.Lstat(l.blob(d))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() {
		return nil
	} else if err != nil {
		return err
	}
	to, err := l.control.moveAside(l.blob(d), partialName(d))
	if err != nil {
		return err
	}
	l.log.Info("moved aside: not a regular file, in the place of a blob", slog.String("layout", string(l.folder)),
		slog.String("digest", d.String()), slog.String("what", disk.Kind(info)), slog.String("to", to))
	l.moved(d, to)
	return nil
}

// Delete removes a blob, whether an image needs it or not. A missing blob is not an error.
func (l *Layout) Delete(d digest.Digest) error {
	if err := errors.Join(d.Validate(), l.writable(context.Background())); err != nil {
		return l.failed("delete a blob", err)
	}
	l.removal.Lock()
	defer l.removal.Unlock()
	l.mu.Lock()
	maps.DeleteFunc(l.checks, func(key checkKey, _ *check) bool { return key.digest == d })
	l.mu.Unlock()
	err := l.moveObstacle(d)
	if err == nil {
		err = os.Remove(l.blob(d))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l.failed("delete "+d.String(), err)
	}
	return nil
}

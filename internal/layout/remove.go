// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// removedSuffix is at the end of the name of a folder that is being removed.
const removedSuffix = ".removed"

// Remove closes the layout and removes its folder. A kill leaves the layout as
// it was, or a new one can be made in its place: the folder gets another name
// first, while it is locked, and what is left under that name goes with the
// next Remove. Partials are to be closed before. After Close it refuses: the
// folder may be another process's by then.
func (l *Layout) Remove() error {
	if err := l.writable(context.Background()); err != nil {
		return l.failed("remove", err)
	}
	gone := string(l.folder) + removedSuffix
	if err := clearRemoved(gone); err != nil {
		return errors.Join(l.failed("remove", err), l.Close())
	}
	l.writer.Wait()
	early := os.Rename(string(l.folder), gone)
	closed := l.Close()
	if early != nil { // Windows does not rename a folder with an open file in it
		if err := os.Rename(string(l.folder), gone); err != nil {
			return errors.Join(l.failed("remove", err), closed)
		}
	}
	return l.failed("remove", os.RemoveAll(gone))
}

// Bare tells whether the layout has nothing in it, not even a part of a blob.
func (l *Layout) Bare() bool {
	bare := true
	err := filepath.WalkDir(string(l.folder), func(_ string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() || slices.Contains([]string{ocispec.ImageLayoutFile, ocispec.ImageIndexFile, lockFile}, f.Name()) {
			return err
		}
		bare = false
		return fs.SkipAll
	})
	return bare && err == nil
}

// clearRemoved removes what is left of a layout under its other name. A folder
// that has anything else in it is somebody's, and stays.
func clearRemoved(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case ownFolder, ocispec.ImageLayoutFile, ocispec.ImageIndexFile, ocispec.ImageBlobsDir:
		default:
			return fmt.Errorf("%s is in the way, and not of a layout: it has %.100q in it", dir, e.Name())
		}
	}
	return os.RemoveAll(dir)
}

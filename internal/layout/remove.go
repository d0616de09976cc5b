// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// algorithms are those that blobs may have.
func algorithms() []digest.Algorithm {
	return []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512}
}

// Remove closes the layout and removes it. It is for a staging folder, and for a layout
// that Open made, with the folders above it; any other one it refuses, and leaves open. What quayside did not put there stays, with the
// folders that it is in, and so do the blobs of a layout that is no staging folder.
//
// A kill leaves a layout that is whole, with less in it, because its index is
// emptied first. Partials are to be closed before. After Close it refuses: the
// folder may be another process's by then.
func (l *Layout) Remove() error {
	if err := l.writable(context.Background()); err != nil {
		return l.failed("remove", err)
	}
	if !l.Made() && l.control.Staging == "" {
		return l.failed("remove", errors.New("it was there before this run, and is not quayside's own"))
	}
	l.writer.Wait()
	gone, err := l.removeContent()
	l.mu.Lock()
	clear(l.unsynced)
	l.mu.Unlock()
	lock := l.control.at(lockFile)
	if gone {
		// Without content and mark the folder is nobody's. The lock's name goes while it is held:
		// who opens it later finds out that it has none. Windows removes no open file.
		_ = l.lock.Truncate(0)
		err = errors.Join(err, removeFile(l.control.at(markFile)))
		_ = os.Remove(lock)
	}
	err = errors.Join(err, l.Close())
	if gone && err == nil {
		if err = removeFile(lock); err == nil {
			l.removeFolders()
		}
	}
	return l.failed("remove", err)
}

// removeContent removes all but the lock and the mark. gone reports that nothing else is left.
func (l *Layout) removeContent() (gone bool, err error) {
	if l.control.Staging != "" && l.work != nil {
		if err := l.replace(ocispec.ImageIndexFile, newIndex().encode()); err != nil {
			return false, err
		}
		for _, a := range algorithms() {
			err := eachBlob(context.Background(), l.folder, a, func(_ digest.Digest, name string, _ fs.FileInfo) error { return os.Remove(name) })
			if err != nil {
				return false, err
			}
		}
	}
	if err := workFiles(l.work, func(info fs.FileInfo) error { return l.work.Remove(info.Name()) }); err != nil {
		return false, err
	}
	for _, a := range algorithms() {
		_ = removeFolder(l.path(ocispec.ImageBlobsDir, string(a))) // if nothing is left in it
	}
	if err := removeFolder(l.path(ocispec.ImageBlobsDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil // there is more: it stays a layout
	}
	if err := errors.Join(removeFile(l.path(ocispec.ImageIndexFile)), removeFile(l.path(ocispec.ImageLayoutFile)), l.closeWork()); err != nil {
		return false, err
	}
	if l.control.marked() {
		_ = removeFolder(l.control.at(l.control.Work)) // if nothing is left in it
	}
	return true, nil
}

// removeFolders removes the folder of ours, the layout's, and those above a layout that Open
// made, unless there is anything in them.
func (l *Layout) removeFolders() {
	dirs := l.made
	if l.control.Staging != "" { // the folders above are for all that is staged
		dirs = nil
		if l.Made() || l.control.Made {
			dirs = []string{string(l.folder)}
		}
	}
	removeEmpty(append([]string{l.control.dir}, dirs...))
}

// removeFile removes a regular file, if there is one.
func removeFile(name string) error {
	info, err := os.Lstat(name)
	if err == nil && info.Mode().IsRegular() {
		err = os.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Bare tells whether the layout has nothing in it, not even a part of a blob.
func (l *Layout) Empty() bool {
	bare := true
	known := []string{ocispec.ImageLayoutFile, ocispec.ImageIndexFile, lockFile, markFile}
	err := filepath.WalkDir(string(l.folder), func(_ string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() || slices.Contains(known, f.Name()) {
			return err
		}
		bare = false
		return fs.SkipAll
	})
	return bare && err == nil
}

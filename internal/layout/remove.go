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

// algorithms returns the digest algorithms of blobs.
func algorithms() []digest.Algorithm {
	return []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512}
}

// Remove closes the layout and removes it: a staging folder, or a layout that Open made
// together with its parent folders. It refuses any other layout and leaves that open.
// Files that quayside did not make stay, with their folders. If the layout is not a staging
// folder, its blobs stay too.
//
// If the process is killed, a valid layout with less content is left, because Remove
// empties the index first. The caller closes its Partials before. Remove fails after Close,
// because another process may use the folder by then.
func (l *Layout) Remove() error {
	if err := l.writable(context.Background()); err != nil {
		return l.failed("remove", err)
	}
	if !l.Made() && l.control.Staging == "" {
		return l.failed("remove", errors.New("it existed before this run and is not a staging folder"))
	}
	l.writer.Wait()
	gone, err := l.removeContent()
	l.mu.Lock()
	clear(l.unsynced)
	l.mu.Unlock()
	lock := l.control.at(lockFile)
	if gone {
		// Remove the lock file while it is locked: a process that has opened it
		// notices (isNamed). Windows cannot remove an open file.
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

// removeContent removes everything but the lock and the mark. gone reports whether only
// these are left.
func (l *Layout) removeContent() (gone bool, err error) {
	if l.control.Staging != "" && l.work != nil {
		if err := l.replace(ocispec.ImageIndexFile, newIndex().encode()); err != nil {
			return false, err
		}
		blobs, err := l.openBlobs()
		if err != nil {
			return false, err
		}
		err = blobs.each(context.Background(), func(in *os.Root, _ digest.Digest, info fs.FileInfo) error { return in.Remove(info.Name()) })
		blobs.close()
		if err != nil {
			return false, err
		}
	}
	if err := workFiles(l.work, func(info fs.FileInfo) error { return l.work.Remove(info.Name()) }); err != nil {
		return false, err
	}
	for _, a := range algorithms() {
		_ = removeFolder(l.path(ocispec.ImageBlobsDir, string(a))) // if it is empty
	}
	if err := removeFolder(l.path(ocispec.ImageBlobsDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil // other files exist: the folder stays a layout
	}
	if err := errors.Join(removeFile(l.path(ocispec.ImageIndexFile)), removeFile(l.path(ocispec.ImageLayoutFile)), l.closeWork()); err != nil {
		return false, err
	}
	if l.control.marked() {
		_ = removeFolder(l.control.at(l.control.Work)) // if it is empty
	}
	return true, nil
}

// removeFolders removes .quayside, the layout's folder, and the parent folders that Open
// made, as far as they are empty.
func (l *Layout) removeFolders() {
	dirs := l.made
	if l.control.Staging != "" { // other staging folders share the parents
		dirs = nil
		if l.Made() || l.control.Made {
			dirs = []string{string(l.folder)}
		}
	}
	removeEmpty(append([]string{l.control.dir}, dirs...))
}

// removeFile removes a regular file if it exists.
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

// Empty reports whether the layout has no blob and no partial file.
func (l *Layout) Empty() bool {
	empty := true
	known := []string{ocispec.ImageLayoutFile, ocispec.ImageIndexFile, lockFile, markFile}
	err := filepath.WalkDir(string(l.folder), func(_ string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() || slices.Contains(known, f.Name()) {
			return err
		}
		empty = false
		return fs.SkipAll
	})
	return empty && err == nil
}

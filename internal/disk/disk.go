// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package disk makes, opens and replaces files so that nothing else is touched.
// A new file gets a name that no file had. A pipe or a device is never opened.
// A symbolic link is followed, and stays. Modes follow the umask.
package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotRegular is the error for a folder, a pipe, a device or a link to one of
// them, in the place of a regular file.
var ErrNotRegular = errors.New("not a regular file")

// The modes of new folders and files, before the system applies the umask.
const (
	FolderMode fs.FileMode = 0o777
	FileMode   fs.FileMode = 0o666
)

// maxLinks is how many symbolic links lead to a file at most, as in Linux.
const maxLinks = 40

// Stat describes a regular file, or the one that a symbolic link leads to. The error
// for anything else, and for a link that leads to none, is ErrNotRegular.
func Stat(name string) (fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		if link, linkErr := os.Lstat(name); linkErr == nil && link.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("%w: %w", notRegular(name, link), err)
		}
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(name, info)
	}
	return info, nil
}

// Open opens a regular file for reading, as Stat describes it. It does not wait for a
// pipe or a device.
func Open(name string) (*os.File, fs.FileInfo, error) {
	if _, err := Stat(name); err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(name, os.O_RDONLY|NoWait, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() { // replaced since
		err = notRegular(name, info)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func notRegular(name string, info fs.FileInfo) error {
	return fmt.Errorf("%s is %s: %w", name, Kind(info), ErrNotRegular)
}

// Kind says in words what a file is.
func Kind(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// Alone reports whether something is a regular file that has no other name. A
// file with a second name (a hard link) may be somebody else's under that name.
func Alone(info fs.FileInfo) bool { return info.Mode().IsRegular() && names(info) <= 1 }

// Follow returns the name that a chain of symbolic links ends with, whether a
// file has that name or not. Without a link that is the name itself.
func Follow(name string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, nil // whoever opens the file reports the error
		}
		target, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return "", err
			}
			target = filepath.Join(dir, target)
		}
		name = target
	}
	return "", fmt.Errorf("%s: too many symbolic links", name)
}

// Fresh returns a name that no file has: begin and a random part.
func Fresh(begin string) string { return begin + strings.ToLower(rand.Text()) }

// Create makes a file in a folder, with a name that begins with begin and that no
// file had.
func Create(dir, begin string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, Fresh(begin)), os.O_RDWR|os.O_CREATE|os.O_EXCL, FileMode)
}

// Install writes a new file through to the disk, closes it, and gives it a name.
// A regular file of that name is replaced atomically, and its mode is kept. If
// Install fails, the new file is removed.
func Install(file *os.File, name string) error {
	err := keepMode(file, name)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// keepMode gives a file the mode of the one it will replace.
func keepMode(file *os.File, name string) error {
	old, err := os.Lstat(name)
	if err != nil || !old.Mode().IsRegular() {
		return nil // there is none
	}
	now, err := file.Stat()
	if err != nil || now.Mode().Perm() == old.Mode().Perm() {
		return err
	}
	return file.Chmod(old.Mode().Perm())
}

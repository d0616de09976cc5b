// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package disk creates, opens and replaces files without touching anything else.
// A new file gets an unused name. Pipes and devices are never opened. Symbolic links
// are followed and kept. Modes follow the umask.
package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotRegular is the error for anything but a regular file, such as a folder, a
// pipe, a device, or a link to one of these.
var ErrNotRegular = errors.New("not a regular file")

// The modes of new folders and files, before the system applies the umask.
const (
	FolderMode fs.FileMode = 0o777
	FileMode   fs.FileMode = 0o666
)

// maxLinks is the number of symbolic links that Follow follows, as in Linux.
const maxLinks = 40

// Stat describes a regular file, or the regular file that a symbolic link leads to.
// The error for anything else, and for a broken link, is ErrNotRegular.
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

// Open opens a regular file for reading: see Stat. It never waits for a pipe or a
// device.
func Open(name string) (*os.File, fs.FileInfo, error) {
	if _, err := Stat(name); err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(name, os.O_RDONLY|NoWait, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() { // replaced in the meantime
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

// Kind returns the kind of a file, for messages.
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

// Alone reports whether info describes a regular file with a single name. A file with a
// second name (a hard link) may belong to another program.
func Alone(info fs.FileInfo) bool { return info.Mode().IsRegular() && names(info) <= 1 }

// Follow returns the name that a chain of symbolic links ends with, even if no file
// has that name. Without a link it returns name.
func Follow(name string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, nil // opening the file reports the error
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

// Fresh returns begin with a random part appended: an unused name.
func Fresh(begin string) string { return begin + strings.ToLower(rand.Text()) }

// Replace writes a file atomically: the file has either its old or its new content. A failed Replace leaves no temporary file.
func Replace(name string, write func(io.Writer) error) error {
	temp := filepath.Join(filepath.Dir(name), Fresh(filepath.Base(name)+"."))
	file, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, FileMode)
	if err != nil {
		return err
	}
	return Fill(file, name, write)
}

// Fill writes a new temporary file and installs it: see Install.
func Fill(file *os.File, name string, write func(io.Writer) error) error {
	if err := write(file); err != nil {
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return Install(file, name)
}

// Install syncs a new file, closes it, and gives it a name. It replaces a regular
// file of that name atomically and keeps its mode. If Install fails, it removes the
// new file.
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

// keepMode gives a file the mode of the regular file that it will replace, if any.
func keepMode(file *os.File, name string) error {
	old, err := os.Lstat(name)
	if err != nil || !old.Mode().IsRegular() {
		return nil
	}
	now, err := file.Stat()
	if err != nil || now.Mode().Perm() == old.Mode().Perm() {
		return err
	}
	return file.Chmod(old.Mode().Perm())
}

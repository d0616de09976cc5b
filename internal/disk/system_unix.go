// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package disk

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoWait is a flag for os.OpenFile: do not wait for the other end of a pipe.
const NoWait = unix.O_NONBLOCK

// names returns how many names a file has.
func names(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}

// SyncFolder syncs the names in a folder to disk. It ignores an unreadable folder, and
// EINVAL, which some network file systems return.
func SyncFolder(dir string) error {
	file, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|NoWait, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return err
	}
	err = file.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, file.Close())
}

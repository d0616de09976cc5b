// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package layout

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryLock locks a file for writing, until unlock or the end of the process, or returns
// errHeld at once.
func tryLock(file *os.File) error { return flock(file, unix.LOCK_EX) }

// tryShare locks a file for reading, or returns errHeld at once.
func tryShare(file *os.File) error { return flock(file, unix.LOCK_SH) }

func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return errHeld
		}
		return os.NewSyscallError("flock", err)
	}
}

func unlock(file *os.File) error {
	return os.NewSyscallError("flock", unix.Flock(int(file.Fd()), unix.LOCK_UN))
}

// diskFull reports whether an error means a full disk or a used-up quota.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

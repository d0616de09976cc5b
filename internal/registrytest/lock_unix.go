// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package registrytest

import (
	"os"
	"syscall"
)

// lock waits until no other process holds the file's lock. It ends with the
// process that holds it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

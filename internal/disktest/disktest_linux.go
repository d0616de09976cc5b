// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// Mount mounts a file system in memory with so many bytes of room, and unmounts it
// when the test ends. It skips the test if mounting is not allowed.
func Mount(t testing.TB, bytes int64) (dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system takes root")
	}
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Resize changes the room of a file system that [Mount] has mounted.
func Resize(t testing.TB, dir string, bytes int64) {
	t.Helper()
	remount(t, dir, 0, fmt.Sprintf("size=%d", bytes))
}

// ReadOnly forbids writing to a file system that [Mount] has mounted.
func ReadOnly(t testing.TB, dir string) {
	t.Helper()
	remount(t, dir, syscall.MS_RDONLY, "")
}

func remount(t testing.TB, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatal(err)
	}
}

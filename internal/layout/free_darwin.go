// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"math"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// freeBytes returns the number of free bytes for unprivileged users on a folder's file
// system.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	high, low := bits.Mul64(s.Bavail, uint64(s.Bsize))
	if high > 0 || low > math.MaxInt64 {
		return math.MaxInt64, nil
	}
	return int64(low), nil
}

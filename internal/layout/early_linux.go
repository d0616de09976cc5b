// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeEarly asks the system to start writing a part of a file to disk, so that a later
// sync is shorter. It is only a hint.
func writeEarly(file *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(file.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeEarly has the system begin to write a part of a file to disk, so that
// there is less to wait for when it is synced. Nothing depends on it.
func writeEarly(file *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(file.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}

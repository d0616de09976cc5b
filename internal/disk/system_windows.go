// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package disk

import "io/fs"

// NoWait is a flag for os.OpenFile: do not wait for the other end of a pipe.
// Windows has no pipes among files.
const NoWait = 0

// names returns 1: the number of names is not in fs.FileInfo on Windows.
func names(fs.FileInfo) uint64 { return 1 }

// SyncFolder does nothing: NTFS journals names, and Windows has no call that waits for
// its journal.
func SyncFolder(string) error { return nil }

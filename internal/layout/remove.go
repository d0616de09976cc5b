// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"errors"
	"os"
)

// removedSuffix is at the end of the name of a folder that is being removed.
const removedSuffix = ".removed"

// Remove closes the layout and removes its folder. A kill leaves the layout as
// it was, or a new one can be made in its place: the folder gets another name
// first, while it is locked, and what is left under that name goes with the
// next Remove. Partials are to be closed before.
func (l *Layout) Remove() error {
	gone := string(l.folder) + removedSuffix
	if err := os.RemoveAll(gone); err != nil {
		return errors.Join(l.failed("remove", err), l.Close())
	}
	l.writer.Wait()
	early := os.Rename(string(l.folder), gone)
	closed := l.Close()
	if early != nil { // Windows does not rename a folder with an open file in it
		if err := os.Rename(string(l.folder), gone); err != nil {
			return errors.Join(l.failed("remove", err), closed)
		}
	}
	return l.failed("remove", os.RemoveAll(gone))
}

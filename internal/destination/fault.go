// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"errors"
	"fmt"

	"github.com/quayside/quayside/internal/layout"
)

// A DiskError is an error of the disk that images are copied to: of the staging layout,
// or of a file of the destination. It ends the whole Copy, because no other image would
// succeed. The code that writes to that disk wraps the error: an *fs.PathError alone may
// come from another file, such as a file of credentials.
type DiskError struct{ Err error }

// Error returns the text of Err.
func (e *DiskError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *DiskError) Unwrap() error { return e.Err }

// StagingError wraps an error of the staging layout in a DiskError, unless the error
// concerns one blob only.
func StagingError(err error) error {
	if err == nil || errors.Is(err, layout.ErrCorrupt) || errors.Is(err, layout.ErrMissing) || errors.Is(err, layout.ErrUnreadable) {
		return err
	}
	return &DiskError{fmt.Errorf("staging: %w", err)}
}

// IsFatal reports whether an error ends the whole Copy, and not one image.
func IsFatal(err error) bool {
	_, disk := errors.AsType[*DiskError](err)
	return disk
}

// A FormatError is the error of an image that the destination's format cannot hold.
type FormatError struct{ Err error }

// Error returns the text of Err.
func (e *FormatError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FormatError) Unwrap() error { return e.Err }

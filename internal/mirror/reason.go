// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// A Reason is a code for why an image is not at its destination. Codes do not
// change; the text beside them may.
type Reason string

// The reasons.
const (
	NotFound     Reason = "not_found"     // the source does not have the image, or a part of it
	NotChosen    Reason = "platform"      // it has none of the chosen platforms
	NameConflict Reason = "name_conflict" // another image has its name at the destination
	NoRoom       Reason = "no_room"       // the disk has no room for it
	Format       Reason = "format"        // the destination's format cannot hold it
	Denied       Reason = "denied"        // a registry refused access
	Unreachable  Reason = "unreachable"   // a registry does not answer
	Malformed    Reason = "malformed"     // content is not what its digest or its type says
	Disk         Reason = "disk"          // a file or the disk cannot be read or written
	Interrupted  Reason = "interrupted"   // the run was interrupted or ran out of time
	Other        Reason = "other"
)

// reasonOf returns the code of an error, or "" without an error. The cause that a
// person can do most about comes first.
func reasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	for _, r := range []struct {
		reason Reason
		causes []error
	}{
		{NoRoom, []error{destination.ErrNoRoom}},
		{NotChosen, []error{ErrNotChosen}},
		{Denied, []error{registry.ErrDenied, registry.ErrRedirect}},
		{NotFound, []error{ErrAbsent, registry.ErrNotFound}},
		{Disk, []error{layout.ErrUnreadable}},
		{Malformed, []error{registry.ErrMalformed, layout.ErrCorrupt, manifest.ErrUnsupported}},
		{Interrupted, []error{context.Canceled, context.DeadlineExceeded}},
	} {
		for _, cause := range r.causes {
			if errors.Is(err, cause) {
				return r.reason
			}
		}
	}
	switch {
	case errors.As(err, new(nameConflict)):
		return NameConflict
	case errors.As(err, new(*destination.FormatError)):
		return Format
	case destination.IsFatal(err):
		return Disk
	case isUnreachable(err):
		return Unreachable
	}
	return Other
}

// isUnreachable reports whether an error means that a host did not answer.
func isUnreachable(err error) bool {
	answer, ok := errors.AsType[*registry.Error](err)
	return registry.IsPermanent(err) || ok && (answer.Status == 0 || answer.Status >= 500)
}

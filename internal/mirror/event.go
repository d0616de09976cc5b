// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// An Event is one thing that happened, for a file of events. It marshals to
// JSON with the keys below; those with nothing to say are left out.
type Event struct {
	Time   time.Time     `json:"time"` // UTC, RFC 3339
	Kind   EventKind     `json:"kind"`
	Image  string        `json:"image,omitempty"`  // reference: of the image, or of the one a blob is for first
	Digest digest.Digest `json:"digest,omitempty"` // of the image at its source, or of the blob
	Bytes  int64         `json:"bytes,omitempty"`  // size of the image or the blob; where a blob is resumed
	Error  string        `json:"error,omitempty"`  // why
}

// An EventKind says what happened.
type EventKind string

// The kinds. An image is copied, was there already, failed, or is pending when the
// run ended before; before that it is planned, once its manifests are known.
const (
	ImagePlanned EventKind = "image planned"
	ImageCopied  EventKind = "image copied"
	ImagePresent EventKind = "image already there"
	ImageFailed  EventKind = "image failed"
	ImagePending EventKind = "image pending" // Error: why the run ended
	ImageAbsent  EventKind = "image absent"  // named by the user, and not there
	BlobStarted  EventKind = "blob started"
	BlobResumed  EventKind = "blob resumed" // Bytes: where
	BlobDone     EventKind = "blob done"
	BlobRetried  EventKind = "blob retried" // Error: why
)

// tell hands an event to Options.Observe.
func (c *Copier) emit(e Event) {
	e.Time = time.Now().UTC()
	c.observing.Lock()
	defer c.observing.Unlock()
	c.o.Observe(e)
}

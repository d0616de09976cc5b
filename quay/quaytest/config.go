// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import "time"

// An Option sets up a Handler or a Server.
type Option func(*config) error

type config struct {
	now           func() time.Time
	objectStorage bool
	shape         shape // limits, latency, bandwidth and quirks: shape.go
	tls           bool
	listen        string // address, for a Server
}

// WithClock sets the server's clock, by which tags live and expire, and
// cursors and tokens lapse. It is called from many goroutines. The default is
// [time.Now].
func WithClock(now func() time.Time) Option {
	return func(c *config) error { c.now = now; return nil }
}

// WithObjectStorage makes blobs a redirect to a signed URL on a second host,
// as on a Quay that keeps them in object storage (doc/quay-api.md, "Recorded").
func WithObjectStorage() Option {
	return func(c *config) error { c.objectStorage = true; return nil }
}

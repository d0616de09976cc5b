// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"strings"
	"time"
)

// An Option sets up a Handler or a Server.
type Option func(*config) error

type config struct {
	now           func() time.Time
	objectStorage bool
	shape         shape // limits, latency, bandwidth and quirks: shape.go
	tls           bool
	listen        string // address, for a Server
	hostname      string // what the registry calls itself; "": what the client calls it
	pushLimit     int64  // bytes
}

// WithClock sets the server's clock, by which tags live and expire, and
// cursors and tokens lapse. It is called from many goroutines. The default is
// [time.Now].
func WithClock(now func() time.Time) Option {
	return func(c *config) error { c.now = now; return nil }
}

// WithServerHostname sets the name, with its port if it has one, that the
// registry API calls itself: in the address of its token endpoint, as the
// service of its tokens, and in where it sends the parts of an upload. The
// default is the name that each request came to. A Quay has one name,
// SERVER_HOSTNAME, whatever other names lead to it: a client that came by
// another one is sent to this one (doc/quay-api.md, "Corrections/Uploads"). The
// REST API keeps to the name of the request.
func WithServerHostname(name string) Option {
	return func(c *config) error {
		if strings.ContainsAny(name, "/ \t\r\n\"") {
			return fmt.Errorf("quaytest: server hostname %q: want HOST or HOST:PORT", name)
		}
		c.hostname = name
		return nil
	}
}

// WithObjectStorage makes blobs a redirect to a signed URL on a second host,
// as on a Quay that keeps them in object storage (doc/quay-api.md, "Recorded").
func WithObjectStorage() Option {
	return func(c *config) error { c.objectStorage = true; return nil }
}

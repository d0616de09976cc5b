// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/front"
)

// An Option sets up a [Handler] or a [Server]. An option with a wrong value makes
// [NewHandler], [NewServer] and [Start] fail.
type Option func(*config) error

type config struct {
	now           func() time.Time
	objectStorage bool
	hostname      string
	pushLimit     int64
	listen        string
	tls           bool
	limits        Limits
	limitKey      LimitKey
	latency       time.Duration
	byteRate      int64
	quirks        Quirks
	named         map[string]bool // quirks that WithQuirk has set
}

// newConfig applies the options to the defaults.
func newConfig(opts []Option) (config, error) {
	c := config{now: time.Now, pushLimit: 1 << 30, named: map[string]bool{}}
	for _, o := range opts {
		if err := o(&c); err != nil {
			return c, err
		}
	}
	if c.now == nil {
		return c, errors.New("quaytest: the clock is nil")
	}
	return c, nil
}

// front returns the set-up of what stands before Quay's own code.
func (c config) front() (front.Config, error) {
	f := front.Config{Now: c.now, Limits: c.limits.front, ByAddress: c.limitKey == LimitByAddress, Latency: c.latency, ByteRate: c.byteRate}
	if l := c.quirks.LimitsAfter; l != nil {
		f.Later = &front.LaterLimits{After: l.After, Limits: l.Limits.front}
	}
	var err error
	f.Quirks, err = c.quirks.front()
	return f, err
}

// WithClock sets the server's clock, which decides which tags are live and when
// cursors and tokens expire. It is called from many goroutines. The default is
// [time.Now].
func WithClock(now func() time.Time) Option {
	return func(c *config) error { c.now = now; return nil }
}

// WithServerHostname sets the host, with a port if there is one, that the registry
// API calls itself: in the URL of its token endpoint, in the service of its tokens,
// and in the Location of an upload. The default is the Host of each request.
//
// A Quay has one name, SERVER_HOSTNAME, and sends a client that used another name
// to it (doc/quay-api.md, "Corrections/Uploads"). So this option makes the server a
// Quay behind an alias. The links of the REST API keep the Host of the request.
func WithServerHostname(host string) Option {
	return func(c *config) error {
		if strings.ContainsAny(host, "/ \t\r\n\"") {
			return fmt.Errorf("quaytest: server hostname %q: want HOST or HOST:PORT", host)
		}
		c.hostname = host
		return nil
	}
}

// WithObjectStorage makes the server redirect a blob to a signed URL on a second
// host, like a Quay that keeps blobs in object storage (doc/quay-api.md, "Recorded").
func WithObjectStorage() Option {
	return func(c *config) error { c.objectStorage = true; return nil }
}

// WithPushLimit sets how many bytes of blobs and manifests clients may push. The
// server keeps them in memory; the bytes of a blob that it has already do not count.
// A push beyond the limit is refused with 403 DENIED, as on a Quay whose quota is
// used up. The default is 1 GiB.
func WithPushLimit(bytes int64) Option {
	return func(c *config) error {
		if bytes < 0 {
			return fmt.Errorf("quaytest: push limit %d is negative", bytes)
		}
		c.pushLimit = bytes
		return nil
	}
}

// WithTLS makes a [Server] speak TLS with a certificate of its own authority, and so
// HTTP/2. The default is HTTP/1.1 only, as on Quay's plain port (doc/quay-api.md
// section 6).
func WithTLS() Option {
	return func(c *config) error { c.tls = true; return nil }
}

// WithListen sets the address, host:port, that a [Server] listens on. The default is
// a free port of 127.0.0.1, which only this machine can reach.
func WithListen(address string) Option {
	return func(c *config) error { c.listen = address; return nil }
}

// WithLimits makes the server refuse requests above a rate with 429. Rates run by
// real time, whatever [WithClock] says. The default is no limits.
func WithLimits(l Limits) Option {
	return func(c *config) error { c.limits = l; return nil }
}

// WithLimitKey sets what shares an allowance of HTTP/2 requests. The default is
// [LimitByConnection].
func WithLimitKey(k LimitKey) Option {
	return func(c *config) error {
		if k != LimitByConnection && k != LimitByAddress {
			return fmt.Errorf("quaytest: limit key %q: want %q or %q", k, LimitByConnection, LimitByAddress)
		}
		c.limitKey = k
		return nil
	}
}

// WithLatency delays every answer, refusals included, by d of real time.
func WithLatency(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("quaytest: latency %v is negative", d)
		}
		c.latency = d
		return nil
	}
}

// WithByteRate limits the bodies of all answers together to a number of bytes a
// second of real time. 0, the default, is no limit.
func WithByteRate(bytesPerSecond int64) Option {
	return func(c *config) error {
		if bytesPerSecond < 0 {
			return fmt.Errorf("quaytest: byte rate %d is negative", bytesPerSecond)
		}
		c.byteRate = bytesPerSecond
		return nil
	}
}

// WithQuirks switches on the quirks that are set in q. It replaces the quirks of
// earlier options.
func WithQuirks(q Quirks) Option {
	return func(c *config) error {
		if err := q.check(); err != nil {
			return fmt.Errorf("quaytest: %w", err)
		}
		c.quirks, c.named = q, map[string]bool{}
		return nil
	}
}

// WithQuirk switches on a quirk by its name and the text of its value: see
// [QuirkList]. An unknown name, a value that the quirk cannot use, and a quirk that
// is given twice are errors. Go code can use [WithQuirks].
func WithQuirk(name, value string) Option {
	return func(c *config) error {
		if c.named[name] {
			return fmt.Errorf("quaytest: quirk %q is given twice", name)
		}
		c.named[name] = true
		return c.quirks.set(name, value)
	}
}

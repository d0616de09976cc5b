// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"iter"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay"
)

// A Catalog is what a registry must answer for its images to be discovered.
// Quay gives the one for a Quay server.
//
// Methods are called from several goroutines at once. Each must return soon
// after its context ends, with an error. An iterator yields at most one error,
// with a zero value, and then ends.
//
// Errors are told apart with the sentinels of package quay, whatever the
// registry. quay.ErrInvalid and quay.ErrNoListing concern the whole run and
// end it; any other error of Tag or Tags is one repository's unknown.
type Catalog interface {
	// Repositories lists all the repositories of namespace that the caller
	// may see, each once. An error ends the listing, and makes the run
	// incomplete.
	Repositories(ctx context.Context, namespace string) iter.Seq2[Repository, error]

	// Tag looks up one active tag by its exact name. It gives false and no
	// error when the registry said that the repository has no such tag.
	// Tag.Public may be set even then.
	Tag(ctx context.Context, repo Repository, name string) (Tag, bool, error)

	// Tags lists the active tags of a repository that pass the filter,
	// newest first by Tag.Started.
	Tags(ctx context.Context, repo Repository, filter TagFilter) iter.Seq2[Tag, error]

	// Namespace tells whether there is an organization or user of this name.
	Namespace(ctx context.Context, name string) (exists bool, err error)
}

// A Repository is one row of a listing.
type Repository struct {
	Namespace string
	Name      string // without the namespace; may hold slashes
	Public    bool   // anyone may read it

	// State is the registry's word, such as NORMAL, READ_ONLY or MIRROR.
	// A state this package does not know is data like any other.
	State string

	// LastModified is when the newest of the live tags was set, in whole
	// seconds. It is zero when the registry did not say.
	LastModified time.Time

	// Empty is true when the registry said that no tag is live.
	Empty bool

	// CallerKnown is true when the row shows that the registry knows who asks.
	CallerKnown bool

	// Unlisted is true for a repository that was named by the pattern and
	// never listed: all but its name is unknown.
	Unlisted bool

	// Err is what is wrong with this row of the listing; nil for a good one. Its
	// images are then Unknown, and nothing but its Name counts, which may be empty: it
	// then may be any repository.
	Err error
}

// A Tag is one active tag of a repository.
type Tag struct {
	Name    string
	Digest  digest.Digest
	Index   bool  // a manifest list or OCI index, for several platforms
	Size    int64 // bytes of the layers, compressed; SizeUnknown when the registry does not know
	Started time.Time
	Expires time.Time // zero: never

	// Public is true when a caller without a token got the answer, which
	// proves that the repository is public.
	Public bool

	// Err is what is wrong with this one of a list; nil for a good one. The tag
	// is then Unknown, and nothing but its Name and Public counts.
	Err error
}

// SizeUnknown is the Size of a tag whose size the registry does not know, such
// as that of an index.
const SizeUnknown int64 = -1

// A TagFilter narrows a list of tags. The zero TagFilter lets all through.
type TagFilter struct {
	// Contains must be a part of the tag's name. A Catalog may let other
	// tags through too: what it yields is matched again.
	Contains string
}

// A Host is a Catalog that knows its registry's address, host or host:port.
// Results carry it when the pattern names no host.
type Host interface {
	Host() string
}

// A Meter is a Catalog that counts what it sends. A run's summary has the
// difference between its end and its start.
type Meter interface {
	Usage() Usage
}

// Usage counts HTTP requests, retries included.
type Usage = quay.Stats

// A Pacer is a Catalog that can tell what it learned of its server's limit.
type Pacer interface {
	Pace() Pace
}

// Pace is how a server was asked.
type Pace = quay.Pace

// An Account is a Catalog whose caller may have a token. The server is asked
// about it only when there was nothing to see.
type Account interface {
	// HasToken tells whether the caller gave a token.
	HasToken() bool

	// TokenKnown asks whether the registry knows the token's user. It is
	// called only when HasToken is true.
	TokenKnown(ctx context.Context) (bool, error)

	// SeesAll asks whether the caller sees every repository of namespace,
	// private ones included.
	SeesAll(ctx context.Context, namespace string) (bool, error)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/quayside/quayside/internal/registry"
)

// Defaults of Options.
const (
	DefaultTransfers = 8
	DefaultJobs      = 32

	defaultStall = 30 * time.Second
)

// SignatureMode says when signatures, attestations and lists of parts are
// looked for.
type SignatureMode string

// The modes. A look costs a few requests for each manifest of an image.
const (
	SignaturesNew    SignatureMode = "new"    // the default: for images that are new or changed, or may lack some
	SignaturesAlways SignatureMode = "always" // for unchanged images too
	SignaturesNever  SignatureMode = "never"
)

// Options set up a Copier.
type Options struct {
	// Registry gives the registry of a host. It is called once a host, and
	// has to be set.
	Registry func(host string) (*registry.Registry, error)

	Platforms  Platforms
	Signatures SignatureMode // "" is SignaturesNew

	// AllFirst looks at no image before all are known. Then all images that would
	// have one name at the destination fail; else the later ones of them do.
	CheckNamesFirst bool

	// Transfers is how many large blobs are fetched at once; 0 is
	// DefaultTransfers. As many blobs that fit into one buffer go beside them:
	// they cost a round trip and no bandwidth, and would leave the link idle.
	Transfers int
	// Jobs is how many images are looked at, at once; 0 is DefaultJobs.
	Jobs int
	// Stall is how long a blob may bring no byte before it is asked for again;
	// 0 is 30 s. The wait for the header of an answer is the transport's.
	Stall time.Duration

	Logger *slog.Logger // nil is silent
	// Observe is told of what happens, from many goroutines, one call at a
	// time. It must not wait for the Copier.
	Observe func(Event)
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Signatures == "" {
		o.Signatures = SignaturesNew
	}
	if o.Transfers <= 0 {
		o.Transfers = DefaultTransfers
	}
	if o.Jobs <= 0 {
		o.Jobs = DefaultJobs
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	return o
}

// check refuses options that contradict themselves.
func (o Options) check() error {
	switch o.Platforms.Index {
	case SparseIndex, RewrittenIndex:
	case "":
		if len(o.Platforms.Only) > 0 {
			return fmt.Errorf("platforms are chosen, and not whether an index with some left out is %q or %q", SparseIndex, RewrittenIndex)
		}
	default:
		return fmt.Errorf("index mode %q: want %q or %q", o.Platforms.Index, SparseIndex, RewrittenIndex)
	}
	switch o.Signatures {
	case SignaturesNew, SignaturesAlways, SignaturesNever:
		return nil
	}
	return fmt.Errorf("signatures %q: want %q, %q or %q", o.Signatures, SignaturesNew, SignaturesAlways, SignaturesNever)
}

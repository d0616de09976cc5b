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

// SignatureMode is when to search for signatures, attestations and SBOMs.
type SignatureMode string

// The modes. Looking costs a few requests for each manifest of an image.
const (
	SignaturesNew    SignatureMode = "new"    // the default: for images that are new or changed, or may lack some
	SignaturesAlways SignatureMode = "always" // for unchanged images too
	SignaturesNever  SignatureMode = "never"
)

// Options configure a Copier.
type Options struct {
	// Registry returns the registry of a host. It is called once for each host, and
	// must be set.
	Registry func(host string) (*registry.Registry, error)

	Platforms  Platforms
	Signatures SignatureMode // "" is SignaturesNew

	// CheckNamesFirst examines no image before all are known. Then all images that would
	// have the same name at the destination fail. Otherwise the first of them is copied.
	CheckNamesFirst bool

	// Transfers is how many large blobs are fetched at once; 0 is
	// DefaultTransfers. As many small blobs are fetched beside them: these cost a round
	// trip and hardly any bandwidth.
	Transfers int
	// Jobs is how many images are examined at once; 0 is DefaultJobs.
	Jobs int
	// Stall is how long no byte of a blob may arrive before it is requested again; 0 is
	// 30 s. The transport limits the wait for the header of an answer.
	Stall time.Duration

	Logger *slog.Logger // nil is silent
	// Observe is called for each event, from many goroutines, one call at a time. It
	// must not wait for the Copier.
	Observe func(Event)
}

// withDefaults fills in the defaults.
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

// check returns an error for invalid or contradictory options.
func (o Options) check() error {
	switch o.Platforms.Index {
	case SparseIndex, RewrittenIndex:
	case "":
		if len(o.Platforms.Only) > 0 {
			return fmt.Errorf("platforms are chosen without an index mode: want %q or %q", SparseIndex, RewrittenIndex)
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

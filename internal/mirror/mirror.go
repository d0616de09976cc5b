// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror brings images here: it plans, fetches each blob once, and
// commits an image when all of it is in.
package mirror

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/registry"
)

// An Image is one image to copy, as discovery found it.
type Image struct {
	Host       string        // of its registry, host or host:port
	Repository string        // namespace/name
	Tag        string        // "" when it is known by digest alone
	Digest     digest.Digest // "" asks the registry what the tag stands for
}

// Reference names the image: host/namespace/name:tag, or @digest without a tag.
func (i Image) Reference() string { panic("todo") }

// Platforms choose images of indexes.
type Platforms struct {
	Only  []ocispec.Platform // empty: all
	Index IndexMode          // must be set when Only is
}

// ParsePlatform reads os/architecture[/variant].
func ParsePlatform(s string) (ocispec.Platform, error) { panic("todo") }

// An IndexMode says what becomes of an index of which some images are left out.
type IndexMode string

const (
	SparseIndex    IndexMode = "sparse"  // as it is, digest and all; some of what it lists is not there
	RewrittenIndex IndexMode = "rewrite" // a new one, with another digest
)

// SignatureMode says when signatures are looked for.
type SignatureMode string

const (
	SignaturesNew    SignatureMode = "new"    // the default: for images that are new or changed
	SignaturesAlways SignatureMode = "always" // for unchanged images too
	SignaturesNever  SignatureMode = "never"
)

// Options set up a Copier.
type Options struct {
	// Registry gives the registry of a host. Called once a host.
	Registry func(host string) (*registry.Registry, error)

	Platforms  Platforms
	Signatures SignatureMode // "" is SignaturesNew
	Transfers  int           // blobs fetched at once; 0 is DefaultTransfers
	Jobs       int           // images looked at, at once; 0 is DefaultJobs
	Stall      time.Duration // a blob without a byte for so long is asked for again; 0 is 30 s
	Logger     *slog.Logger
	Observe    func(Event) // called from many goroutines, one at a time
}

const (
	DefaultTransfers = 8
	DefaultJobs      = 32
)

// A Plan is what a copy would do.
type Plan struct {
	Images  []PlannedImage // in the order of the references
	Blobs   int            // unique
	Bytes   int64          // of these; manifests and configurations too
	Present int64          // of Bytes: at the destination already
	Missing int64          // of Bytes: to be fetched
	Shared  int64          // what images would take one by one, less Bytes
	Free    int64          // of the staging disk; -1: not known
}

// PlannedImage ...
type PlannedImage struct {
	Image
	Name      string // at the destination
	Digest    digest.Digest
	Platforms []ocispec.Platform
	Blobs     int
	Bytes     int64
	Missing   int64 // of Bytes
	Present   bool  // nothing to do
	Err       error // why it cannot be planned
}

// A Copier copies images to one destination. For one run.
type Copier struct{}

// New makes a Copier. Nothing is sent.
func New(to Destination, o Options) *Copier { panic("todo") }

// Plan finds out what a copy would take: manifests are fetched and nothing else.
// Images come from a sequence that may still be growing.
func (c *Copier) Plan(ctx context.Context, images iter.Seq[Image]) (Plan, error) { panic("todo") }

// Copy copies. Planning, fetching and committing overlap. What one image fails of is
// in the Report; the error is of the whole: the context's, a full disk, a destination that is gone.
// The Report tells what was done in any case.
func (c *Copier) Copy(ctx context.Context, images iter.Seq[Image]) (Report, error) { panic("todo") }

// Progress tells how far a Copy is. It can be called at any time, from any goroutine.
func (c *Copier) Progress() Progress { panic("todo") }

// Progress is a snapshot.
type Progress struct {
	Planning             bool // Images and Bytes may still grow
	Images, Done, Failed int  // Done: copied or already there
	Bytes, Fetched       int64
	Running              []Transfer // in the order of their start
	Elapsed              time.Duration
}

// Transfer is one blob on its way.
type Transfer struct {
	Digest     digest.Digest
	Repository string
	Size, Done int64
}

// Event is one thing that happened, for --events.
type Event struct {
	Time   time.Time // UTC
	Kind   EventKind
	Image  string        // reference, when it is of one
	Digest digest.Digest // of the image or blob
	Bytes  int64
	Error  string
}

type EventKind string

const (
	ImagePlanned EventKind = "image planned"
	ImageCopied  EventKind = "image copied"
	ImagePresent EventKind = "image already there"
	ImageFailed  EventKind = "image failed"
	BlobStarted  EventKind = "blob started"
	BlobResumed  EventKind = "blob resumed" // Bytes: where
	BlobDone     EventKind = "blob done"
	BlobRetried  EventKind = "blob retried" // Error: why
)

// Report is what a Copy did. It marshals to the JSON of doc/copy.md.
type Report struct {
	Destination                                          string
	Images                                               []ImageReport // in the order of the references
	Copied, Present, Failed                              int
	Blobs                                                int   // unique
	Bytes                                                int64 // of these
	Fetched                                              int64 // over the wire, with what was fetched twice
	Saved                                                int64 // what images would have taken one by one, less Fetched
	Retried                                              int64 // bytes fetched in vain
	Retries                                              int   // blobs asked for again
	Uploaded                                             int64 // to a registry
	Mounted                                              int64
	SignaturesFound, SignaturesCopied, SignaturesMissing int
	Started                                              time.Time // UTC
	Elapsed                                              time.Duration
	Complete                                             bool // nothing failed, and the source of images came to its end
}

// ImageReport ...
type ImageReport struct {
	Reference   string
	Destination string // name there
	Status      Status
	Digest      digest.Digest // at the source
	As          digest.Digest // at the destination, when rewriting changed it; else ""
	Error       string
	Platforms   []string
	Bytes       int64 // the image's size
	Fetched     int64 // of Bytes, fetched for this image first
	Signatures  Signatures
}

type Signatures struct{ Found, Copied, Missing int }

type Status string

const (
	Copied  Status = "copied"
	Present Status = "already there"
	Failed  Status = "failed"
)

// ReadReport reads a report's JSON, to run again what failed.
func ReadReport(r io.Reader) (Report, error) { panic("todo") }

// FailedImages returns the images of a report that failed.
func (r Report) FailedImages() []Image { panic("todo") }

// ToLayout copies into a shared image layout. Close is the caller's.
func ToLayout(l *layout.Layout) Destination { panic("todo") }

// Inspect tells about an image from its manifests and configurations.
func Inspect(ctx context.Context, r *registry.Registry, i Image) (Info, error) { panic("todo") }

// Info is what an image is made of.
type Info struct {
	Reference string
	Digest    digest.Digest
	MediaType string
	Images    []PlatformInfo // one for an image, one a platform for an index
}

type PlatformInfo struct {
	Platform ocispec.Platform
	Digest   digest.Digest
	Created  time.Time // zero: it does not say
	Labels   map[string]string
	Layers   []ocispec.Descriptor
	Size     int64 // of layers and configuration, compressed bytes
}

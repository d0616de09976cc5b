// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/destination"
)

// A Report is what a Copy did. It marshals to the JSON of doc/guide/copying.md, and back. Sizes
// are in bytes. It contains no secret.
type Report struct {
	Destination string // the name that the user wrote
	// Complete reports whether every requested image is at the destination with its
	// signatures: none failed, is pending or absent, no signature is missing, nothing is
	// unknown, and the sequence of images came to its end.
	Complete bool
	Error    string          // why the run ended early, or failed as a whole
	Images   []ImageReport   // sorted by reference
	Unknown  []UnknownReport // for the caller to fill in

	// Token is the state of the caller's token at the source servers. TokenHost is the
	// token's host if it was not sent to all of them. The caller sets both.
	Token, TokenHost string

	// Numbers of images by status.
	Copied, Present, Failed, Pending, Absent int

	Blobs    int   // unique layers and configurations, of images and their referrers
	Bytes    int64 // of these, and of unique manifests. Images that were present do not count in either
	Fetched  int64 // over the network, including what was fetched twice
	Saved    int64 // what the images would have taken one by one, less Fetched; at least 0
	Retried  int64 // of Fetched, wasted
	Retries  int   // how often a blob was requested again
	Uploaded int64 // to a registry
	Mounted  int64 // that a registry mounted from another of its repositories

	SignaturesFound, SignaturesCopied, SignaturesMissing int // sums of the images'

	Started time.Time // UTC
	Elapsed time.Duration
}

// An ImageReport is the result for one image.
type ImageReport struct {
	Reference   string // Image.Reference
	Destination string // its name there
	Status      Status
	Digest      digest.Digest // at the source; "" if unknown
	As          digest.Digest // at the destination, if rewriting changed it; else ""
	Reason      Reason        // why it is not at the destination; "" if it is
	Error       string        // the same for people
	Cause       error         // the same, for errors.Is; nil in a report that was read
	Notes       []string      // why signatures are missing or were not copied
	Platforms   []string      // those that were copied, as ParsePlatform reads them
	Bytes       int64         // of its manifests and unique blobs; 0 if it was present
	Fetched     int64         // of these and of its referrers, what was fetched for this image first
	Signatures  Signatures
}

// Signatures counts the referrers of an image: signatures, attestations and SBOMs. Copied
// are at the destination with the image. Missing could not be copied: Notes say why, the
// Report is not complete, and the next run looks for them again. Referrers that are found
// and neither copied nor missing belong to an index that was rewritten. If an image is
// present with all its referrers, they are not looked for, except with SignaturesAlways.
type Signatures struct{ Found, Copied, Missing int }

// Status is the result for an image.
type Status string

// The statuses. An image is pending if the run ended before the image was finished:
// nothing is wrong with the image, and Report.Error says why the run ended. An image is
// absent if the user named it and its server does not have it. Copy finds that out for
// an image with a digest and no tag, and a search for the others: see AddAbsent.
const (
	Copied  Status = "copied"
	Present Status = "already there"
	Failed  Status = "failed"
	Pending Status = "pending"
	Absent  Status = "absent"
)

func statuses() []Status { return []Status{Copied, Present, Failed, Pending, Absent} }

// isMissing reports whether an image with this status is not at the destination.
func (s Status) isMissing() bool { return s != Copied && s != Present }

// An UnknownReport names an image whose existence a search could not determine.
type UnknownReport struct {
	Reference string
	Reason    string // a code
	Error     string // the cause, for people
}

// AddAbsent adds an image that the user named and that its server does not have. It does
// nothing if the report has the image already.
func (r *Report) AddAbsent(reference, why string) {
	at, there := slices.BinarySearchFunc(r.Images, reference, func(i ImageReport, reference string) int {
		return cmp.Compare(i.Reference, reference)
	})
	if there {
		return
	}
	r.Images = slices.Insert(r.Images, at, ImageReport{Reference: reference, Status: Absent, Reason: NotFound, Error: why})
	r.Absent++
	r.Complete = false
}

// FailedImages returns the images that another run should try again: those that failed,
// are pending or absent, those that lack signatures, and those that are unknown and have
// a name. Each is in the list once, with its digest if that is known. [Report.InvalidImages]
// are not in it.
func (r Report) FailedImages() []Image {
	var failed []Image
	seen := map[string]bool{}
	add := func(reference string, known digest.Digest) {
		image, err := destination.ParseReference(reference)
		if err != nil || seen[reference] {
			return
		}
		seen[reference] = true
		image.Digest = cmp.Or(known, image.Digest)
		failed = append(failed, image)
	}
	for _, i := range r.Images {
		if i.Status.isMissing() || i.Signatures.Missing > 0 {
			add(i.Reference, i.Digest)
		}
	}
	for _, u := range r.Unknown {
		add(u.Reference, "")
	}
	return failed
}

// InvalidImages returns the references of images that another run should try again and
// cannot, because they name no image: the report was edited.
func (r Report) InvalidImages() (references []string) {
	for _, i := range r.Images {
		if _, err := destination.ParseReference(i.Reference); err != nil && (i.Status.isMissing() || i.Signatures.Missing > 0) {
			references = append(references, i.Reference)
		}
	}
	return references
}

// report returns the report of a run whose goroutines have all ended.
func (r *copying) report(err error) Report {
	l := r.scheduler
	s := Report{
		Destination: r.to.String(),
		Blobs:       len(l.blobs),
		Bytes:       l.bytes,
		Fetched:     r.fetchedBytes.Load() + r.cache.fetchedBytes.Load(),
		Retried:     r.wastedBytes.Load(),
		Retries:     int(r.retries.Load()),
		Started:     r.began.UTC(),
		Elapsed:     time.Since(r.began),
	}
	s.Uploaded, s.Mounted = r.to.Sent()
	var whole int64
	for _, it := range l.items {
		i := it.report()
		if !i.Status.isMissing() {
			whole += it.standalone
		}
		s.Images = append(s.Images, i)
		switch i.Status {
		case Copied:
			s.Copied++
		case Present:
			s.Present++
		case Pending:
			s.Pending++
		case Absent:
			s.Absent++
		default:
			s.Failed++
		}
		s.SignaturesFound += i.Signatures.Found
		s.SignaturesCopied += i.Signatures.Copied
		s.SignaturesMissing += i.Signatures.Missing
	}
	s.Saved = max(whole-s.Fetched, 0)
	slices.SortFunc(s.Images, func(a, b ImageReport) int { return cmp.Compare(a.Reference, b.Reference) })
	if err != nil {
		s.Error = err.Error()
	}
	s.Complete = err == nil && s.Failed == 0 && s.Pending == 0 && s.Absent == 0 && s.SignaturesMissing == 0
	return s
}

// report returns the result for an image.
func (it *item) report() ImageReport {
	i := ImageReport{
		Reference: it.reference, Destination: it.name, Status: it.status, Digest: cmp.Or(it.root, it.Digest),
		Platforms: it.platforms, Bytes: it.size, Fetched: it.fetched, Notes: it.notes,
	}
	if it.status == Present {
		i.Bytes = 0
	}
	if it.err != nil {
		i.Reason, i.Error, i.Cause = reasonOf(it.err), it.err.Error(), it.err
	}
	if it.rewritten() && !it.status.isMissing() {
		i.As = it.parts[0].tree.root.Digest
	}
	i.Signatures.Found = it.leftBehind + len(it.parts) - 1
	i.Signatures.Missing = it.unreadLists
	for _, p := range it.parts[1:] {
		switch {
		case it.status.isMissing(): // the referrers went with their image
		case p.err == nil:
			i.Signatures.Copied++
		default:
			i.Signatures.Missing++
			i.Notes = append(i.Notes, fmt.Sprintf("referrer %s could not be copied: %v", cmp.Or(p.tag, string(p.tree.root.Digest)), p.err))
		}
	}
	return i
}

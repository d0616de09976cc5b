// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/ref"
)

// unfinished begins the error of an image that was not finished when the copy ended.
const unfinished = "not finished: "

// finished adds to the report of a copy what only the command knows: unknown images, absent
// images that the user named, and why the copy ended.
func finished(r mirror.Report, unknown, absent []report.Missing, code exitCode, why string) mirror.Report {
	for _, m := range unknown {
		r.Unknown = append(r.Unknown, mirror.UnknownReport{Reference: m.Reference, Reason: m.Reason, Error: m.Error})
	}
	for _, m := range absent {
		r.AddAbsent(m.Reference, m.Error)
	}
	r.Error = cmp.Or(why, r.Error)
	r.Complete = r.Complete && code.complete()
	return r
}

// A written is the report of a copy: mirror's as JSON, and for people that of package report.
type written struct {
	mirror.Report
	report.Copy
}

// MarshalJSON writes mirror's report.
func (w written) MarshalJSON() ([]byte, error) { return report.Marshal(w.Report) }

// written converts the report of a copy for people.
func (c *copying) written(r mirror.Report) written {
	text := report.Copy{
		Destination: c.to.text, Registry: c.to.transport == dockerRegistry, Verbose: c.a.console.Verbose(), Elapsed: r.Elapsed,
		Copied: r.Copied, Present: r.Present, Failed: r.Failed, Pending: r.Pending, Absent: r.Absent,
		SignaturesFound: r.SignaturesFound, SignaturesCopied: r.SignaturesCopied, SignaturesMissing: r.SignaturesMissing,
		Blobs: r.Blobs, Retries: r.Retries, Bytes: r.Bytes, Fetched: r.Fetched, Saved: r.Saved, Retried: r.Retried,
		Uploaded: r.Uploaded, Mounted: r.Mounted,
	}
	for _, i := range r.Images {
		text.Images = append(text.Images, report.CopiedImage{Status: string(i.Status), Bytes: i.Bytes, Reference: i.Reference, Remark: remark(i, r.Error)})
	}
	for _, u := range r.Unknown {
		text.Unknown = append(text.Unknown, report.Missing{Reference: u.Reference, Reason: u.Reason, Error: u.Error})
	}
	return written{r, text}
}

// remark returns what is special about the copy of an image. Why the whole copy ended is
// reported elsewhere.
func remark(i mirror.ImageReport, why string) string {
	var words []string
	if rest, ok := strings.CutPrefix(i.Error, unfinished); ok && (why == interrupted || strings.Contains(why, rest)) {
		if i.Status == mirror.Failed {
			words = append(words, "not finished")
		}
	} else if i.Error != "" {
		words = append(words, i.Error)
	}
	if i.As != "" {
		words = append(words, fmt.Sprintf("rewritten: %s is %s there", i.Digest, i.As))
	}
	return strings.Join(append(words, i.Notes...), "; ")
}

// failedTargets returns the images that the report of an earlier run lists as not done, each
// once. An image whose digest is in the report is copied by that digest. lost are images
// whose names cannot be looked for.
func (a *app) failedTargets(ctx context.Context, file string) (targets []target, lost []report.Missing, err error) {
	text, _, err := session.ReadFile(ctx, file, mirror.MaxReport)
	if err != nil && ctx.Err() != nil {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, usagef("--failed-from: %w", err)
	}
	earlier, err := mirror.ReadReport(bytes.NewReader(text))
	if err != nil {
		return nil, nil, usagef("--failed-from %s: %w", file, err)
	}
	if earlier.Error != "" {
		a.console.Warn("%s is from a run that ended early (%s); images it never reached are not listed: run that command again for them",
			file, earlier.Error)
	}
	again := map[string]bool{}
	for _, u := range earlier.Unknown {
		if !searchable(u.Reference) {
			lost = append(lost, report.Missing{Reference: u.Reference, Reason: u.Reason, Error: u.Error})
			continue
		}
		again[u.Reference] = true
	}
	for _, reference := range earlier.InvalidImages() {
		lost = append(lost, report.Missing{Reference: reference, Reason: string(discover.Failed), Error: "the report's name of the image is not valid"})
	}
	for _, i := range earlier.FailedImages() {
		if i.Digest == "" {
			if searchable(i.Reference()) {
				again[i.Reference()] = true
			}
			continue
		}
		delete(again, i.Reference())
		namespace, repository, _ := strings.Cut(i.Repository, "/")
		targets = append(targets, target{image: ref.Image{
			Host: i.Host, Namespace: namespace, Repository: repository, Tag: i.Tag, Digest: i.Digest,
		}})
	}
	found, err := a.parseTargets(slices.Sorted(maps.Keys(again)), true)
	if err != nil {
		return nil, nil, usagef("--failed-from %s: %w", file, err)
	}
	return append(targets, found...), lost, nil
}

// searchable reports whether the reference of an unknown image can be looked for:
// HOST/ORG/REPO:TAG or HOST/ORG/REPO@DIGEST. The repository has to be a valid name. It is
// taken literally: in a name that a server listed, a star is a character like others.
func searchable(reference string) bool {
	if image, err := ref.ParseImage(reference); err == nil && image.Digest != "" {
		return true
	}
	parts := strings.SplitN(reference[:max(strings.LastIndexByte(reference, ':'), 0)], "/", 3)
	if len(parts) < 3 || ref.ValidRepository(parts[2]) != nil {
		return false
	}
	_, err := ref.ParsePattern(reference)
	return err == nil
}

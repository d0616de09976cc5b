// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/ref"
)

// unfinished begins the error of an image that was not finished when the whole ended.
const unfinished = "not finished: "

// finished completes the report of a copy with what the command knows besides:
// what the search could not find out, which images the user named that are not
// there, and why the whole was not done.
func finished(r mirror.Report, unknown, absent []report.Gap, code exitCode, why string) mirror.Report {
	for _, gap := range unknown {
		r.Unknown = append(r.Unknown, mirror.UnknownReport{Reference: gap.Reference, Reason: gap.Reason, Error: gap.Error})
	}
	for _, gap := range absent {
		r.AddAbsent(gap.Reference, gap.Error)
	}
	r.Error = cmp.Or(why, r.Error)
	r.Complete = r.Complete && code.complete()
	return r
}

// printJSON writes a document for machines, and for people who look at it.
func printJSON(w io.Writer, v any) error {
	text, err := report.Marshal(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", " "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(w)
	return err
}

// print writes the report to standard output. Its own errors are told at the
// end of the command.
func (c *copying) print(r mirror.Report) error {
	if c.flags.output == "json" {
		if err := printJSON(c.a.out, r); err != nil && c.a.out.err == nil {
			return err
		}
		return nil
	}
	rows := c.a.newRows()
	for _, i := range r.Images {
		size := ""
		if i.Bytes > 0 { // it was looked into
			size = report.Bytes(i.Bytes)
		}
		rows.add(string(i.Status), size, i.Reference, remark(i, r.Error))
	}
	for _, gap := range r.Unknown {
		rows.add("unknown", "", gap.Reference, gap.Reason+": "+gap.Error)
	}
	rows.flush()
	if alone := len(r.Images)+len(r.Unknown) == 1 && r.Copied+r.Present == 1; !alone || c.a.console.Verbose() {
		fetched, missing := "", ""
		if r.Fetched > 0 {
			fetched = ", " + report.Bytes(r.Fetched) + " fetched"
		}
		if n := r.SignaturesMissing; n > 0 {
			missing = "; " + quantity(n, "signature") + " missing"
		}
		fmt.Fprintf(c.a.out, "%s to %s in %s%s: %s%s\n", quantity(len(r.Images)+len(r.Unknown), "image"),
			redact.Escape(c.to.text), report.Seconds(r.Elapsed), fetched, outcomes(r), missing)
	}
	if c.a.console.Verbose() {
		c.printAccounts(r)
	}
	return nil
}

// printAccounts writes what a copy cost, line by line.
func (c *copying) printAccounts(r mirror.Report) {
	if r.Fetched == 0 {
		fmt.Fprint(c.a.out, "nothing was fetched")
	} else {
		rate := int64(float64(r.Fetched) / max(r.Elapsed.Seconds(), 0.001))
		fmt.Fprintf(c.a.out, "%s in %s; fetched %s (%s/s), saved %s", report.Bytes(r.Bytes), quantity(r.Blobs, "blob"),
			report.Bytes(r.Fetched), report.Bytes(rate), report.Bytes(r.Saved))
	}
	if r.Retries > 0 {
		fmt.Fprintf(c.a.out, "; repeated %s for a blob, %s wasted", quantity(r.Retries, "request"), report.Bytes(r.Retried))
	}
	if c.to.transport == dockerRegistry {
		fmt.Fprintf(c.a.out, "; uploaded %s, mounted %s", report.Bytes(r.Uploaded), report.Bytes(r.Mounted))
	}
	fmt.Fprintf(c.a.out, "\nsignatures: %d found, %d copied, %d missing\n", r.SignaturesFound, r.SignaturesCopied, r.SignaturesMissing)
}

// outcomes counts the images by what became of them. What is rare is left out when
// there is none of it.
func outcomes(r mirror.Report) string {
	parts := []string{
		fmt.Sprintf("%d copied", r.Copied), fmt.Sprintf("%d already there", r.Present), fmt.Sprintf("%d failed", r.Failed),
	}
	if r.Pending > 0 {
		parts = append(parts, fmt.Sprintf("%d pending", r.Pending))
	}
	if r.Absent > 0 {
		parts = append(parts, fmt.Sprintf("%d absent", r.Absent))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d unknown", len(r.Unknown))), ", ")
}

// remark is what is special about an image's copy, but for why the whole ended.
func remark(i mirror.ImageReport, why string) string {
	var words []string
	if rest, ok := strings.CutPrefix(i.Error, unfinished); ok && (why == interrupted || strings.Contains(why, rest)) {
		if i.Status == mirror.Failed {
			words = append(words, "not finished") // why is told once
		}
	} else if i.Error != "" {
		words = append(words, i.Error)
	}
	if i.As != "" {
		words = append(words, fmt.Sprintf("rewritten: %s is %s there", i.Digest, i.As))
	}
	return strings.Join(append(words, i.Notes...), "; ")
}

// failedTargets reads what an earlier run's report names as not done, each image
// once. An image whose digest is known there is the one that it was then. lost are those
// that nothing can be asked about: the server gave what is no name.
func (a *app) failedTargets(ctx context.Context, file string) (targets []target, lost []report.Gap, err error) {
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
		a.console.Warn("%s is from a run that ended early (%s); images that its search never reached are not listed: run its command again for them",
			file, earlier.Error)
	}
	again := map[string]bool{}
	for _, u := range earlier.Unknown {
		if !searchable(u.Reference) {
			lost = append(lost, report.Gap{Reference: u.Reference, Reason: u.Reason, Error: u.Error})
			continue
		}
		again[u.Reference] = true
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

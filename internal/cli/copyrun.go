// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/report"
)

// copy checks the whole command line before anything is sent.
func (a *app) copy(ctx context.Context, args []string, f copyFlags) (err error) {
	last := len(args) - 1
	to, err := parseDest(args[last], len(f.maps) > 0)
	if err != nil {
		return err
	}
	options, err := f.options(to)
	if err != nil {
		return err
	}
	if err := refuseDests(args[:last]); err != nil {
		return err
	}
	if err := a.refuseOverlaps(to, f); err != nil {
		return err
	}
	targets, err := a.parseTargets(args[:last], true)
	var lost []report.Missing
	if err == nil && f.failedFrom != "" {
		targets, lost, err = a.failedTargets(ctx, f.failedFrom)
	}
	if err != nil {
		return err
	}
	labels, err := parseLabels(f.labels)
	if err != nil {
		return err
	}
	s, err := a.search(ctx, targets, labels)
	if err != nil {
		return err
	}
	s.lost = lost
	s.failEmpty = !f.allowEmpty && len(targets) > 0 // a report without failures leaves nothing to copy, which is a success
	out, err := a.newReportFile(f.report)
	if err != nil {
		return err
	}
	log, err := a.newEvents(ctx, f.events)
	if err != nil {
		return err
	}
	defer log.close()
	if err := ctx.Err(); err != nil {
		return err
	}

	into, err := a.open(ctx, to, f, s.registries)
	if err != nil {
		return err
	}
	c := &copying{a: a, flags: f, search: s, to: into, out: out, log: log, unusedRules: parseRules(f.maps)}
	options.Registry = s.registries.Source
	options.Logger = a.console.Log
	options.Observe = log.write
	options.CheckNamesFirst = to.transport == dockerRegistry && (len(f.maps) > 0 || s.organizations() > 1)
	s.unknown = log.unknown
	s.show = func(p discover.Progress) { c.searching.Store(&p) }
	if to.transport == dockerArchive {
		s.skip = s.attached
	}
	c.copier = mirror.New(into.destination, options)
	if one := options.Platforms.DefaultPlatform; one.OS != "" {
		a.console.Note("of an index for several platforms, the image for %s is copied; --platform chooses another", report.Platform(one))
	}
	if to.transport == dockerArchive && options.Signatures != mirror.SignaturesNever {
		a.console.Note("signatures are not copied: docker-archive: cannot store them; oci-archive: can")
	}
	if f.dryRun {
		return c.plan(ctx)
	}
	return c.copy(ctx)
}

// attached reports whether an image is a signature or another attachment that only a glob
// has found. An attachment that a pattern names is copied like an image.
func (s *search) attached(i report.Image) bool {
	return registry.IsAttachmentTag(i.Tag) && !slices.ContainsFunc(s.targets, func(t target) bool {
		return t.image.Digest != "" && t.image.Tag == i.Tag || slices.Contains(t.pattern.Tags.Names(), i.Tag)
	})
}

// organizations returns how many organizations images come from. Images of one organization
// cannot get the same name.
func (s *search) organizations() int {
	of := map[string]bool{}
	for _, t := range s.targets {
		of[t.server.Host+"/"+t.namespace()] = true
	}
	return len(of)
}

// A copying is one run of the command copy.
type copying struct {
	a      *app
	flags  copyFlags
	search *search
	to     *opened
	copier *mirror.Copier
	out    *reportFile
	log    *events

	unusedRules map[string]destination.Rename // rules of --map that have matched no image so far

	searching atomic.Pointer[discover.Progress]
	searched  atomic.Bool // all images were found
}

// images yields the images to copy as they are found.
func (c *copying) images(ctx context.Context) iter.Seq[mirror.Image] {
	return func(yield func(mirror.Image) bool) {
		for i := range c.search.images(ctx) {
			for rule, rename := range c.unusedRules {
				if rename(mirrored(i).Repository) != "" {
					delete(c.unusedRules, rule)
				}
			}
			if !yield(mirrored(i)) {
				return
			}
		}
		c.searched.Store(true)
	}
}

// parseRules returns the rules of --map, each parsed alone.
func parseRules(rules []string) map[string]destination.Rename {
	unusedRules := map[string]destination.Rename{}
	for _, rule := range rules {
		if rename, err := destination.ParseRename([]string{rule}); err == nil { // all rules were parsed together before
			unusedRules[rule] = rename
		}
	}
	return unusedRules
}

// warnUnusedRules warns of rules that match no image: images may have unintended names.
func (c *copying) warnUnusedRules() {
	if c.search.found == 0 || !c.searched.Load() {
		return
	}
	for _, rule := range slices.Sorted(maps.Keys(c.unusedRules)) {
		c.a.console.Warn("--map %s fits no image: FROM must be the ORG/REPO of an image, or a prefix of it and a star", rule)
	}
}

// copy copies and reports the result, however the copy ended.
func (c *copying) copy(ctx context.Context) error {
	progress := &transferProgress{progress: c.copier.Progress, words: c.words}
	stop := func() {}
	if !c.log.onStderr() {
		stop = c.a.console.Progress(false, progress.frame)
	}
	done, err := c.copier.Copy(ctx, c.images(ctx))
	stop()
	for _, m := range c.search.absent {
		c.log.absent(m)
	}
	for n, i := range done.Images {
		if i.Status == mirror.Absent {
			done.Images[n].Error = report.ReasonText(noDigest)
			c.search.absent = append(c.search.absent, report.Missing{Reference: i.Reference, Reason: noDigest, Error: report.ReasonText(noDigest)})
		}
	}
	whole := err == nil && done.Failed == 0
	if code, _ := c.search.verdict(); code != exitDone && c.to.transport == ociFolder {
		whole = false
	}
	closed := c.to.close(c.a.console, whole)
	if err == nil && closed != nil {
		err = closed
	}
	code, why := c.verdict(ctx, done.Copied+done.Present, causes(done), err)
	if code == exitDone && !done.Complete {
		code = exitPart // signatures are missing
	}
	why = c.a.console.Redactor.Text(why)
	state, host := c.search.token()
	done.Token = string(state)
	if host != nil {
		done.TokenHost = *host
	}
	result := c.a.hideReport(finished(done, c.search.summary.UnknownImages, c.search.absent, code, why))
	if err := c.out.write(ctx, result); err != nil {
		c.a.console.Fail("report: %v", err)
		code = max(code, exitFailed)
	}
	answer := c.written(result)
	if err := c.a.writeDocument(c.flags.output, answer); err != nil {
		return err
	}
	c.explain(answer, why, err == nil)
	return code.error()
}

// words returns how many images are done, and what delays the copy, for the progress.
func (c *copying) words(p mirror.Progress) (before, after []string) {
	of := ""
	if p.Planning {
		of = " so far"
		if s := c.searching.Load(); s != nil && !c.searched.Load() {
			before = append(before, describe(*s))
		}
	}
	before = append(before, fmt.Sprintf("%d of %s%s", p.Done, report.Quantity(p.Images, "image"), of))
	if p.Failed > 0 {
		before = append(before, fmt.Sprintf("%d failed", p.Failed))
	}
	if why := c.search.registries.Delay(); why != "" {
		after = append(after, why)
	}
	return before, after
}

// verdict returns the exit code and the error of the search or of the copy.
func (c *copying) verdict(ctx context.Context, well int, failures []error, err error) (code exitCode, why string) {
	code, why = c.search.verdict()
	var late *timeoutError
	switch {
	case errors.As(context.Cause(ctx), &late):
		return exitFailed, late.Error()
	case ctx.Err() != nil:
		return exitInterrupted, interrupted
	case err != nil:
		return exitFailed, err.Error()
	case well == 0 && len(failures) > 0 && code == exitDone && !slices.ContainsFunc(failures, isNoDenial):
		return exitAuth, ""
	case well == 0 && len(failures) > 0 && code == exitDone:
		return exitFailed, ""
	case len(failures) > 0, !code.complete() && well > 0:
		return exitPart, why
	}
	return code, why
}

func isNoDenial(err error) bool { return !errors.Is(err, registry.ErrDenied) }

// causes returns the errors of images that failed.
func causes(r mirror.Report) (all []error) {
	for _, i := range r.Images {
		if i.Status == mirror.Failed {
			all = append(all, i.Cause)
		}
	}
	return all
}

// explain reports on standard error what failed, by name. It leaves out images that the
// report has just named on the same terminal, and images that were unfinished when the copy
// was ended.
func (c *copying) explain(answer written, why string, ended bool) {
	r := answer.Report
	t := c.a.console
	if c.a.out.Flush() != nil {
		return // run reports the error
	}
	if ended && (c.flags.output != "text" || !c.a.stdoutTTY) {
		var failures, unsigned []console.Failure
		for _, i := range r.Images {
			if i.Status == mirror.Failed {
				failures = append(failures, console.Failure{Reference: i.Reference, Destination: i.Destination, Reasons: []string{i.Error}})
			} else if i.Signatures.Missing > 0 {
				unsigned = append(unsigned, console.Failure{Reference: i.Reference, Destination: i.Destination, Reasons: i.Notes})
			}
		}
		t.Unsigned(unsigned)
		t.Failures(failures)
	}
	c.search.print()
	c.search.printTraffic()
	c.warnUnusedRules()
	if c.search.found == 0 && why == "" {
		t.Note("%s", c.nothing())
	}
	if t.JSON {
		t.Print(console.Summary, report.Quantity(len(r.Images)+len(r.Unknown), "image")+": "+answer.Outcomes(), slog.Int("copied", r.Copied), slog.Int("present", r.Present),
			slog.Int("failed", r.Failed), slog.Int("pending", r.Pending), slog.Int("absent", r.Absent), slog.Int("unknown", len(r.Unknown)),
			slog.Int64("fetched", r.Fetched), slog.Int("signatures_missing", r.SignaturesMissing),
			slog.Float64("elapsed_seconds", r.Elapsed.Round(time.Millisecond).Seconds()))
	}
	if why != "" && !c.search.reported(why) {
		t.Fail("%s", why)
	}
	if wrong := counted(r); wrong != "" && c.canResume(r) {
		t.Note("%s; run the same command again to copy the rest", wrong)
	}
}

// nothing returns why there was nothing to copy.
func (c *copying) nothing() string {
	if c.flags.failedFrom != "" && len(c.search.targets)+len(c.search.lost) == 0 {
		return c.flags.failedFrom + " lists only images that are done: nothing is left to copy"
	}
	return "no image was found to copy"
}

// canResume reports whether the same command, run again, may copy what is missing.
func (c *copying) canResume(r mirror.Report) bool {
	searchable := slices.ContainsFunc(c.search.outcomes, func(o outcome) bool {
		return o.search.Namespace != string(discover.NamespaceNotFound)
	})
	passing := slices.ContainsFunc(r.Unknown, func(u mirror.UnknownReport) bool { return u.Reason != string(discover.GoneOrPrivate) })
	return r.Pending > 0 || passing && searchable || slices.ContainsFunc(causes(r), func(err error) bool { return !isLasting(err) })
}

// isLasting reports whether the same command would fail in the same way: an image does not
// exist, is for another platform, or the server accepts no pushes.
func isLasting(err error) bool {
	answer, ok := errors.AsType[*registry.Error](err)
	return errors.Is(err, registry.ErrNotFound) || errors.Is(err, mirror.ErrNotChosen) || ok && answer.Status == http.StatusMethodNotAllowed
}

// counted returns how many images are not done, in words, or "".
func counted(r mirror.Report) string {
	var parts []string
	undone := 0 // their archive was not written
	for _, i := range r.Images {
		if i.Status == mirror.Failed && strings.HasPrefix(i.Error, unfinished) {
			undone++
		}
	}
	all := report.Quantity(len(r.Images), "image")
	if n := r.Failed - undone; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s failed", n, all))
	}
	if undone > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s not finished", undone, all))
	}
	if r.Pending > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s pending", r.Pending, all))
	}
	if r.Absent > 0 {
		parts = append(parts, fmt.Sprintf("%d absent", r.Absent))
	}
	if n := len(r.Unknown); n > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	return strings.Join(parts, ", ")
}

// reported reports whether an error belongs to a pattern and was already printed.
func (s *search) reported(why string) bool {
	for _, o := range s.outcomes {
		if o.err != nil && o.search.Error == why {
			return true
		}
	}
	return false
}

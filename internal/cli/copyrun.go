// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/mirror"
)

// copy checks all that was asked for before anything is sent.
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
	targets, err := a.parseTargets(args[:last], true)
	if err == nil && f.failedFrom != "" {
		targets, err = a.failedTargets(f.failedFrom)
	}
	if err != nil {
		return err
	}
	labels, err := parseLabels(f.labels)
	if err != nil {
		return err
	}
	h, err := a.hunt(ctx, targets, labels)
	if err != nil {
		return err
	}
	out, err := newReportFile(f.report)
	if err != nil {
		return err
	}
	defer out.discard()
	log, err := a.newEvents(f.events)
	if err != nil {
		return err
	}
	defer log.close()
	if err := ctx.Err(); err != nil {
		return err
	}

	into, err := a.open(to, f, h.registries)
	if err != nil {
		return err
	}
	c := &copying{a: a, flags: f, hunt: h, to: into, out: out, log: log}
	options.Registry = h.registries.source
	options.Logger = a.talk.log
	options.Observe = log.tell
	h.unknown = log.unknown
	h.show = func(p discover.Progress) { c.searching.Store(&p) }
	c.copier = mirror.New(into.destination, options)
	if f.dryRun {
		return c.plan(ctx)
	}
	return c.copy(ctx)
}

// A copying is one run of copy.
type copying struct {
	a      *app
	flags  copyFlags
	hunt   *hunt
	to     *opened
	copier *mirror.Copier
	out    *reportFile
	log    *events

	searching atomic.Pointer[discover.Progress]
}

// images are the images to copy, while they are found.
func (c *copying) images(ctx context.Context) iter.Seq[mirror.Image] {
	return func(yield func(mirror.Image) bool) {
		for i := range c.hunt.images(ctx) {
			if !yield(mirrored(i)) {
				return
			}
		}
	}
}

// copy copies, and tells what came of it, however it ended.
func (c *copying) copy(ctx context.Context) error {
	bars := c.a.transfers(c.copier.Progress, c.words, c.log.loud())
	done, err := c.copier.Copy(ctx, c.images(ctx))
	bars.stop()
	whole := err == nil && done.Failed == 0
	closed := c.to.close(c.a.talk, whole, false)
	if err == nil && closed != nil {
		err = closed
	}
	code, why := c.verdict(ctx, done.Copied+done.Present, done.Failed, err)
	if code == exitDone && !done.Complete {
		code = exitPart // signatures are missing
	}
	result := finished(done, c.hunt.summary.Gaps, code, why)
	if err := c.out.write(result); err != nil {
		c.a.talk.fail("report: %v", err)
		code = max(code, exitFailed)
	}
	if err := c.print(result); err != nil {
		return err
	}
	c.tell(result, why, err == nil)
	if code != exitDone {
		return &status{code: code}
	}
	return nil
}

// words tell of the images, for the progress.
func (c *copying) words(p mirror.Progress) []string {
	var parts []string
	of := ""
	if p.Planning {
		of = " so far"
		if s := c.searching.Load(); s != nil {
			parts = append(parts, describe(*s))
		}
	}
	parts = append(parts, fmt.Sprintf("%d of %d images%s", p.Done, p.Images, of))
	if p.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", p.Failed))
	}
	return parts
}

// verdict gives the exit code, and the error of the whole: of the search, or of
// the copy of what it found.
func (c *copying) verdict(ctx context.Context, well, failed int, err error) (code int, why string) {
	code, why = c.hunt.verdict()
	var late *timeoutError
	switch {
	case errors.As(context.Cause(ctx), &late):
		return exitFailed, late.Error()
	case ctx.Err() != nil:
		return exitInterrupted, "interrupted"
	case err != nil:
		return exitFailed, err.Error()
	case well == 0 && failed > 0 && code == exitDone:
		return exitFailed, ""
	case failed > 0, code != exitDone && code != exitEmpty && well > 0:
		return exitPart, why
	}
	return code, why
}

// tell says on standard error what is to be said: what failed, by name, unless
// the report has just said so on the same screen, or it is all that was not
// finished when the whole was ended.
func (c *copying) tell(r mirror.Report, why string, ended bool) {
	t := c.a.talk
	if c.a.out.Flush() != nil {
		return // told at the end of the command
	}
	if ended && (c.flags.output != "text" || !c.a.showy) {
		for _, i := range r.Images {
			if i.Status == mirror.Failed {
				t.warn("failed: %s: %s", i.Reference, i.Error)
			} else if i.Signatures.Missing > 0 {
				t.warn("%s: signatures are missing: %s", i.Reference, strings.Join(i.Notes, "; "))
			}
		}
	}
	c.hunt.tell()
	if c.hunt.found == 0 && why == "" {
		t.note("no image was found to copy")
	}
	if why != "" && !c.hunt.toldAlready(why) {
		t.fail("%s", why)
	}
	if wrong := counted(r); wrong != "" {
		t.note("%s; the same command goes on where this run was", wrong)
	}
}

// counted puts what went wrong in a few words, or in none.
func counted(r mirror.Report) string {
	var parts []string
	if r.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d images failed", r.Failed, len(r.Images)))
	}
	if n := len(r.Unknown); n > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	return strings.Join(parts, ", ")
}

// toldAlready tells whether an error is one that a pattern's outcome has said.
func (h *hunt) toldAlready(why string) bool {
	for _, o := range h.told {
		if o.err != nil && o.search.Error == why {
			return true
		}
	}
	return false
}

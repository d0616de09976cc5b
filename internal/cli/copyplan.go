// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/report"
)

// plan prints what a copy would do. If the copy could not be done, plan returns the error and
// the exit code that the copy would end with.
func (c *copying) plan(ctx context.Context) error {
	progress := &searchProgress{more: c.activities}
	stop := progress.show(c.a, false)
	defer stop()
	c.search.show = progress.set
	staging := c.to.destination.Staging().Dir()
	busy := layout.InUse(staging)
	found, err := c.copier.Plan(ctx, c.images(ctx))
	busy = cmp.Or(busy, layout.InUse(staging))
	stop()
	if err != nil {
		found.Free = -1 // not known
	}
	if closed := c.to.release(); err == nil {
		err = closed
	}
	found.Images = slices.DeleteFunc(found.Images, func(i mirror.PlannedImage) bool {
		absent := i.Tag == "" && errors.Is(i.Err, mirror.ErrAbsent)
		if absent {
			c.search.absent = append(c.search.absent, absentDigest(i.Image))
		}
		return absent
	})
	var failed []error
	for _, i := range found.Images {
		if i.Err != nil {
			failed = append(failed, i.Err)
		}
	}
	code, why := c.verdict(ctx, len(found.Images)-len(failed), failed, err)
	noRoom := 0
	for _, err := range failed {
		if errors.Is(err, destination.ErrNoRoom) {
			noRoom++
		}
	}
	if noRoom > 0 && why == "" {
		why = fmt.Sprintf("the disk is too small for %d of %d images: %s are free in %s", noRoom, len(found.Images), report.Bytes(found.Free), staging)
	}
	why = c.a.console.Redactor.Text(why)
	if err := c.a.writeDocument(c.flags.output, c.planned(found, code, why)); err != nil || c.a.out.Flush() != nil {
		return err
	}
	c.search.print()
	c.search.printTraffic()
	c.warnUnusedRules()
	if c.search.found == 0 && why == "" {
		c.a.console.Note("%s", c.nothing())
	}
	if errors.Is(busy, layout.ErrLocked) {
		c.a.console.Warn("%v; when it has ended, less may be missing", busy)
	}
	var failures []console.Failure
	for _, i := range found.Images {
		if i.Err != nil {
			failures = append(failures, console.Failure{Reference: i.Reference(), Destination: i.Name, Reasons: []string{i.Err.Error()}})
		}
	}
	c.a.console.Failures(failures)
	if why != "" && !c.search.reported(why) {
		c.a.console.Fail("%s", why)
	}
	return code.error()
}

// activities returns the work besides the search, for the progress.
func (c *copying) activities() []string {
	if c.searched.Load() {
		return append([]string{"fetching manifests"}, c.search.activities()...)
	}
	return c.search.activities()
}

// planned converts mirror's plan of a copy for package report.
func (c *copying) planned(p mirror.Plan, code exitCode, why string) report.Plan {
	out := report.Plan{
		Destination: c.to.text, Complete: code.complete() && c.search.complete(), Images: []report.PlannedImage{},
		Blobs: p.Blobs, Bytes: p.Bytes, Present: p.Present, Missing: p.Missing, Shared: p.Shared,
		Unknown: c.search.summary.UnknownImages, Absent: append([]report.Missing{}, c.search.absent...),
	}
	out.Token, out.TokenHost = c.search.token()
	if why != "" {
		out.Error = &why
	}
	if p.Free >= 0 {
		out.Free = &p.Free
	}
	for _, i := range p.Images {
		image := report.PlannedImage{
			Reference: i.Reference(), Destination: i.Name, Platforms: report.Platforms(i.Platforms), Blobs: i.Blobs, Bytes: i.Bytes,
			Missing: i.Missing, AlreadyThere: i.Present, Unsigned: i.Unsigned, Mapped: len(c.flags.maps) > 0,
		}
		if d := i.Digest.String(); d != "" {
			image.Digest = &d
		}
		if i.Err != nil {
			reason, why := string(i.Reason()), c.a.hidden(i.Err)
			image.Reason, image.Error = &reason, &why
		}
		out.Images = append(out.Images, image)
	}
	return out
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
)

// A plan is what --dry-run writes as JSON.
type plan struct {
	Destination string            `json:"destination"`
	Complete    bool              `json:"complete"`
	Images      []plannedImage    `json:"images"`
	Blobs       int               `json:"blobs"`
	Bytes       int64             `json:"bytes"`
	Present     int64             `json:"present"`
	Missing     int64             `json:"missing"`
	Shared      int64             `json:"shared"`
	Free        *int64            `json:"free"`
	Error       *string           `json:"error"`
	Unknown     []report.Gap      `json:"unknown"`
	Absent      []report.Gap      `json:"absent"` // that the user named
	Token       report.TokenState `json:"token"`
	TokenHost   *string           `json:"token_host"`
}

type plannedImage struct {
	Reference    string   `json:"reference"`
	Destination  string   `json:"destination"`
	Digest       *string  `json:"digest"`
	Platforms    []string `json:"platforms"`
	Blobs        int      `json:"blobs"`
	Bytes        int64    `json:"bytes"`
	Missing      int64    `json:"missing"`
	AlreadyThere bool     `json:"already_there"`
	Unsigned     bool     `json:"looks_for_signatures"` // though it is there
	Error        *string  `json:"error"`
}

// plan prints what a copy would do. It ends as a copy would that cannot be done.
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
		found.Free = -1 // nobody asked
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
	if err := c.printPlan(found, code, why); err != nil {
		return err
	}
	if c.a.out.Flush() != nil {
		return nil
	}
	c.search.tell()
	c.search.printTraffic()
	c.tellIdle()
	if c.search.found == 0 && why == "" {
		c.a.console.Note("%s", c.nothing())
	}
	if errors.Is(busy, layout.ErrLocked) {
		c.a.console.Warn("%v; some of what is missing now may be there by then", busy)
	}
	var failures []console.Failure
	for _, i := range found.Images {
		if i.Err != nil {
			failures = append(failures, console.Failure{Reference: i.Reference(), Destination: i.Name, Reasons: []string{i.Err.Error()}})
		}
	}
	c.a.console.Failures(failures)
	if why != "" && !c.search.toldAlready(why) {
		c.a.console.Fail("%s", why)
	}
	return code.error()
}

// activities returns what goes on besides the search.
func (c *copying) activities() []string {
	if c.searched.Load() {
		return append([]string{"fetching manifests"}, c.search.activities()...)
	}
	return c.search.activities()
}

func (c *copying) printPlan(p mirror.Plan, code exitCode, why string) error {
	if c.flags.output == "json" {
		out := plan{
			Destination: c.to.text, Complete: code.complete() && c.search.complete(), Images: []plannedImage{},
			Blobs: p.Blobs, Bytes: p.Bytes, Present: p.Present, Missing: p.Missing, Shared: p.Shared,
			Unknown: c.search.summary.Gaps, Absent: append([]report.Gap{}, c.search.absent...),
		}
		out.Token, out.TokenHost = c.search.token()
		if why != "" {
			out.Error = &why
		}
		if p.Free >= 0 {
			out.Free = &p.Free
		}
		for _, i := range p.Images {
			out.Images = append(out.Images, c.planned(i))
		}
		if err := printJSON(c.a.out, out); err != nil && c.a.out.err == nil {
			return err
		}
		return nil
	}
	rows := c.a.newRows()
	if len(p.Images) > 0 {
		rows.add("BLOBS", "SIZE", "MISSING", "IMAGE")
	}
	for _, i := range p.Images {
		missing, notes := report.Bytes(i.Missing), platforms(i.Platforms)
		switch {
		case i.Err != nil:
			missing, notes = "", []string{c.a.hidden(i.Err)}
		case i.Present && i.Unsigned:
			notes = append(notes, "already there; its signatures are looked for")
		case i.Present:
			notes = append(notes, "already there")
		case len(c.flags.maps) > 0:
			notes = append(notes, "as "+i.Name)
		}
		rows.add(fmt.Sprint(i.Blobs), report.Bytes(i.Bytes), missing, i.Reference(), strings.Join(notes, ", "))
	}
	for _, gap := range c.search.absent {
		rows.add("", "", "", gap.Reference, "absent: "+gap.Error)
	}
	rows.flush()
	absent := ""
	if n := len(c.search.absent); n > 0 {
		absent = fmt.Sprintf("%d absent, ", n)
	}
	fmt.Fprintf(c.a.out, "%s to %s, %s%d unknown: %s in %s, of which %s are missing; sharing saves %s",
		quantity(len(p.Images), "image"), redact.Escape(c.to.text), absent, len(c.search.summary.Gaps), report.Bytes(p.Bytes), quantity(p.Blobs, "blob"),
		report.Bytes(p.Missing), report.Bytes(p.Shared))
	if p.Free >= 0 {
		fmt.Fprintf(c.a.out, "; %s free", report.Bytes(p.Free))
	}
	fmt.Fprintln(c.a.out)
	return nil
}

func (c *copying) planned(i mirror.PlannedImage) plannedImage {
	p := plannedImage{
		Reference: i.Reference(), Destination: i.Name, Platforms: platforms(i.Platforms),
		Blobs: i.Blobs, Bytes: i.Bytes, Missing: i.Missing, AlreadyThere: i.Present, Unsigned: i.Unsigned,
	}
	if d := i.Digest.String(); d != "" {
		p.Digest = &d
	}
	if i.Err != nil {
		why := c.a.hidden(i.Err)
		p.Error = &why
	}
	return p
}

// platforms writes platforms as --platform takes them.
func platforms(list []ocispec.Platform) []string {
	texts := []string{}
	for _, p := range list {
		texts = append(texts, platform(p))
	}
	return texts
}

func platform(p ocispec.Platform) string {
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

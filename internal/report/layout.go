// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"time"

	"github.com/quayside/quayside/internal/redact"
)

// A Verification is what verify found in an image layout.
type Verification struct {
	Layout  string    `json:"layout"`
	Whole   bool      `json:"whole"`
	Entries int       `json:"entries"`
	Blobs   int       `json:"blobs"`
	Bytes   int64     `json:"bytes"`
	Damaged []Damaged `json:"damaged"`
	Removed []string  `json:"removed"`
	Moved   []Moved   `json:"moved"`
	Elapsed Elapsed   `json:"elapsed_seconds"`
}

// A Damaged is a blob that is missing or damaged, and an image that needs it.
type Damaged struct {
	Image  string `json:"image"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	What   string `json:"what"`
}

// A Moved is something other than a file that was in the place of a blob, and its new path.
type Moved struct {
	Digest string `json:"digest"`
	What   string `json:"what"`
	To     string `json:"to"`
}

func (v Verification) text(p *printer) {
	var rows [][]string
	blobs, images := map[string]bool{}, map[string]bool{}
	for _, d := range v.Damaged {
		rows = append(rows, []string{d.Image, d.Digest, d.What})
		blobs[d.Digest], images[d.Image] = true, true
	}
	p.rows(rows)
	for _, m := range v.Moved {
		p.printf("%s in the place of %s was moved to %s\n", m.What, m.Digest, redact.Escape(m.To))
	}
	state := "whole"
	if !v.Whole {
		state = Quantity(len(blobs), "blob") + " damaged or missing, in " + Quantity(len(images), "image")
	}
	p.printf("%s, %s in %s, in %s: %s", Quantity(v.Entries, "entry"), Bytes(v.Bytes), Quantity(v.Blobs, "blob"),
		time.Duration(v.Elapsed).Round(time.Millisecond), state)
	if n := len(v.Removed); n > 0 {
		p.printf("; %s removed", Quantity(n, "blob"))
	}
	p.print("\n")
}

// A Collection is what layout gc removed, or would remove.
type Collection struct {
	Layout   string   `json:"layout"`
	DryRun   bool     `json:"dry_run"`
	Removed  []string `json:"removed"`
	Partials int      `json:"partials"`
	Bytes    int64    `json:"bytes"`
	Kept     int      `json:"kept"`
}

func (c Collection) text(p *printer) {
	for _, d := range c.Removed {
		p.print(d, "\n")
	}
	removed, are := "removed", "are"
	if c.DryRun {
		removed = "would be removed"
	}
	if c.Kept == 1 {
		are = "is"
	}
	p.printf("%s and %s %s, %s; %s %s kept\n", Quantity(len(c.Removed), "blob"), Quantity(c.Partials, "partial file"), removed,
		Bytes(c.Bytes), Quantity(c.Kept, "blob"), are)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/quayside/quayside/internal/redact"
)

// A Plan is what copy --dry-run would do.
type Plan struct {
	Destination string         `json:"destination"`
	Complete    bool           `json:"complete"`
	Images      []PlannedImage `json:"images"`
	Blobs       int            `json:"blobs"`
	Bytes       int64          `json:"bytes"`
	Present     int64          `json:"present"`
	Missing     int64          `json:"missing"`
	Shared      int64          `json:"shared"`
	Free        *int64         `json:"free"`
	Error       *string        `json:"error"`
	Unknown     []Missing      `json:"unknown"`
	Absent      []Missing      `json:"absent"` // images that the user named and that do not exist
	Token       TokenState     `json:"token"`
	TokenHost   *string        `json:"token_host"`
}

// A PlannedImage is one image of a Plan.
type PlannedImage struct {
	Reference    string   `json:"reference"`
	Destination  string   `json:"destination"`
	Digest       *string  `json:"digest"`
	Platforms    []string `json:"platforms"`
	Blobs        int      `json:"blobs"`
	Bytes        int64    `json:"bytes"`
	Missing      int64    `json:"missing"`
	AlreadyThere bool     `json:"already_there"`
	Unsigned     bool     `json:"looks_for_signatures"` // the image is at the destination, and its signatures are looked for
	Reason       *string  `json:"reason"`               // a code: why it would fail
	Error        *string  `json:"error"`
	Mapped       bool     `json:"-"` // --map gave the name at the destination
}

func (plan Plan) text(p *printer) {
	var rows [][]string
	if len(plan.Images) > 0 {
		rows = append(rows, []string{"BLOBS", "SIZE", "MISSING", "IMAGE"})
	}
	for _, i := range plan.Images {
		missing, notes := Bytes(i.Missing), i.Platforms
		switch {
		case i.Error != nil:
			missing, notes = "", []string{*i.Error}
		case i.AlreadyThere && i.Unsigned:
			notes = append(notes, "already there; its signatures are looked for")
		case i.AlreadyThere:
			notes = append(notes, "already there")
		case i.Mapped:
			notes = append(notes, "as "+i.Destination)
		}
		rows = append(rows, []string{fmt.Sprint(i.Blobs), Bytes(i.Bytes), missing, i.Reference, strings.Join(notes, ", ")})
	}
	for _, m := range plan.Absent {
		rows = append(rows, []string{"", "", "", m.Reference, "absent: " + m.Error})
	}
	p.rows(rows)
	absent := ""
	if n := len(plan.Absent); n > 0 {
		absent = fmt.Sprintf("%d absent, ", n)
	}
	p.printf("%s to %s, %s%d unknown: %s in %s, of which %s are missing; sharing saves %s",
		Quantity(len(plan.Images), "image"), redact.Escape(plan.Destination), absent, len(plan.Unknown), Bytes(plan.Bytes),
		Quantity(plan.Blobs, "blob"), Bytes(plan.Missing), Bytes(plan.Shared))
	if plan.Free != nil {
		p.printf("; %s free", Bytes(*plan.Free))
	}
	p.print("\n")
}

// A Copy is what a copy has done, for people. Its JSON is mirror's report.
type Copy struct {
	Destination                                          string
	Registry                                             bool // the destination is a registry
	Images                                               []CopiedImage
	Unknown                                              []Missing
	Copied, Present, Failed, Pending, Absent             int
	SignaturesFound, SignaturesCopied, SignaturesMissing int
	Blobs, Retries                                       int
	Bytes, Fetched, Saved, Retried, Uploaded, Mounted    int64 // in bytes
	Elapsed                                              time.Duration
	Verbose                                              bool // with what the copy cost
}

// A CopiedImage is one image of a Copy.
type CopiedImage struct {
	Status    string
	Bytes     int64 // 0: unknown
	Reference string
	Remark    string
}

func (c Copy) text(p *printer) {
	var rows [][]string
	for _, i := range c.Images {
		size := ""
		if i.Bytes > 0 {
			size = Bytes(i.Bytes)
		}
		rows = append(rows, []string{i.Status, size, i.Reference, i.Remark})
	}
	for _, m := range c.Unknown {
		rows = append(rows, []string{"unknown", "", m.Reference, ReasonText(m.Reason) + ": " + m.Error})
	}
	p.rows(rows)
	if alone := len(rows) == 1 && c.Copied+c.Present == 1; !alone || c.Verbose {
		fetched, missing := "", ""
		if c.Fetched > 0 {
			fetched = ", " + Bytes(c.Fetched) + " fetched"
		}
		if n := c.SignaturesMissing; n > 0 {
			missing = "; " + Quantity(n, "signature") + " missing"
		}
		p.printf("%s to %s in %s%s: %s%s\n", Quantity(len(rows), "image"), redact.Escape(c.Destination), Seconds(c.Elapsed), fetched,
			c.Outcomes(), missing)
	}
	if c.Verbose {
		c.costs(p)
	}
}

// Outcomes counts the images by what became of them.
func (c Copy) Outcomes() string {
	text := fmt.Sprintf("%d copied, %d already there, %d failed", c.Copied, c.Present, c.Failed)
	if c.Pending > 0 {
		text += fmt.Sprintf(", %d pending", c.Pending)
	}
	if c.Absent > 0 {
		text += fmt.Sprintf(", %d absent", c.Absent)
	}
	return text + fmt.Sprintf(", %d unknown", len(c.Unknown))
}

func (c Copy) costs(p *printer) {
	if c.Fetched == 0 {
		p.print("nothing was fetched")
	} else {
		rate := int64(float64(c.Fetched) / max(c.Elapsed.Seconds(), 0.001))
		p.printf("%s in %s; fetched %s (%s/s), saved %s", Bytes(c.Bytes), Quantity(c.Blobs, "blob"), Bytes(c.Fetched), Bytes(rate), Bytes(c.Saved))
	}
	if c.Retries > 0 {
		p.printf("; repeated %s for a blob, %s wasted", Quantity(c.Retries, "request"), Bytes(c.Retried))
	}
	if c.Registry {
		p.printf("; uploaded %s, mounted %s", Bytes(c.Uploaded), Bytes(c.Mounted))
	}
	p.printf("\nsignatures: %d found, %d copied, %d missing\n", c.SignaturesFound, c.SignaturesCopied, c.SignaturesMissing)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
)

// A Format is how an answer is written.
type Format string

// The formats. formats declares what is special about each, and Render writes it.
const (
	Table    Format = "table"  // aligned columns with a header
	Wide     Format = "wide"   // with every column, and nothing cut
	Plain    Format = "plain"  // without a header, and nothing cut
	JSON     Format = "json"   // one document
	NDJSON   Format = "ndjson" // one JSON object a line
	CSV      Format = "csv"    // as RFC 4180 has it
	Refs     Format = "refs"   // names by tag, for other tools
	Digests  Format = "digests"
	Template Format = "template" // a Go template for each record; it comes with a text, not with a name
)

type declared struct {
	Format
	streams bool // written record by record while the answer grows
	digests bool // for records with a digest only
}

func formats() []declared {
	return []declared{
		{Format: Table}, {Format: Wide}, {Format: Plain}, {Format: JSON}, {Format: NDJSON, streams: true},
		{Format: CSV}, {Format: Refs}, {Format: Digests, digests: true},
	}
}

// Formats lists the names of the formats that fit a kind of record.
func Formats[R Record]() (names []string) {
	var zero R
	for _, f := range formats() {
		if !f.digests || zero.hasDigest() {
			names = append(names, string(f.Format))
		}
	}
	return names
}

// ParseFormat returns the format with this name, if it fits the kind of record.
func ParseFormat[R Record](name string) (Format, error) {
	if fitting := Formats[R](); !slices.Contains(fitting, name) {
		what := "unknown output format %q"
		if slices.ContainsFunc(formats(), func(f declared) bool { return string(f.Format) == name }) {
			what = "output format %q does not fit this command"
		}
		return "", fmt.Errorf(what+": use one of %s", name, strings.Join(fitting, ", "))
	}
	return Format(name), nil
}

// Streams reports whether the format is written record by record while the answer grows.
// The others are written at the end, in order.
func (f Format) Streams() bool {
	return slices.ContainsFunc(formats(), func(d declared) bool { return d.Format == f && d.streams })
}

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

// The formats. Table, Wide and Plain are aligned lines for people: with a
// header, with a header and every column, and bare for a pipe. JSON is one
// document, NDJSON one object a line, CSV as RFC 4180 has it. Refs and Digests
// are image names for other tools. Template is a Go template for each record.
const (
	Table    Format = "table"
	Wide     Format = "wide"
	Plain    Format = "plain"
	JSON     Format = "json"
	NDJSON   Format = "ndjson"
	CSV      Format = "csv"
	Refs     Format = "refs"
	Digests  Format = "digests"
	Template Format = "template"
)

// Formats lists the formats that can be asked for by name. Template is not
// among them: it comes with a text.
func Formats() []string {
	return []string{string(Table), string(Wide), string(Plain), string(JSON),
		string(NDJSON), string(CSV), string(Refs), string(Digests)}
}

// ParseFormat finds a format by its name.
func ParseFormat(name string) (Format, error) {
	if !slices.Contains(Formats(), name) {
		return "", fmt.Errorf("unknown output format %q: use one of %s", name, strings.Join(Formats(), ", "))
	}
	return Format(name), nil
}

// Streams tells whether the format is written record by record while the
// answer grows. The others are written at the end, in order.
func (f Format) Streams() bool { return f == NDJSON }

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Document is an answer that is not a list of records. Its fields are the JSON document.
type Document interface {
	text(p *printer)
}

// WriteDocument writes a document for people. Width is that of the terminal, in columns, or 0.
func WriteDocument(w io.Writer, d Document, width int) error {
	p := &printer{w: w, width: width}
	d.text(p)
	return p.err
}

// WriteJSON writes a value as an indented JSON document.
func WriteJSON(w io.Writer, v any) error {
	text, err := Marshal(v)
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

// Quantity returns a number and what it counts: "1 entry", "2 entries".
func Quantity(n int, noun string) string {
	stem, ofY := strings.CutSuffix(noun, "y")
	switch {
	case n == 1:
		return "1 " + noun
	case ofY:
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Platform returns a platform as --platform has it, such as linux/arm64/v8.
func Platform(p ocispec.Platform) string {
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

// Platforms returns platforms as --platform has them.
func Platforms(list []ocispec.Platform) []string {
	texts := []string{}
	for _, p := range list {
		texts = append(texts, Platform(p))
	}
	return texts
}

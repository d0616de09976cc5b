// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/quayside/quayside/internal/redact"
)

// MarshalJSON writes the record as doc/guide/output.md describes it. Every key is there; the
// value is null if it is not known.
func (i Image) MarshalJSON() ([]byte, error) { return marshalCells(i.cells()) }

// MarshalJSON writes the record as doc/guide/output.md describes it.
func (r Repository) MarshalJSON() ([]byte, error) { return marshalCells(r.cells()) }

// MarshalJSON writes the record as doc/guide/output.md describes it.
func (t Tag) MarshalJSON() ([]byte, error) { return marshalCells(t.cells()) }

// marshalCells writes the cells of the JSON layouts as an object.
func marshalCells(cells []cell) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	separator := byte('{')
	for _, c := range cells {
		if c.in&(inJSON|inJSONOrNull|inJSONRaw) == 0 {
			continue
		}
		b.WriteByte(separator)
		separator = ','
		b.WriteString(`"` + c.head + `":`)
		switch {
		case c.text == "" && c.in&inJSON == 0:
			b.WriteString("null")
		case c.in&inJSONRaw != 0:
			b.WriteString(c.text)
		default:
			if err := enc.Encode(c.text); err != nil {
				return nil, err
			}
			b.Truncate(b.Len() - 1) // the line break
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Marshal is json.Marshal without escapes for HTML. Characters that a terminal may act upon are
// escaped, as in \u202e.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimRight(b.Bytes(), "\n")
	if !bytes.ContainsFunc(text, unsafeInJSON) {
		return text, nil
	}
	var safe []byte
	for _, r := range string(text) {
		if !unsafeInJSON(r) {
			safe = utf8.AppendRune(safe, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			safe = fmt.Appendf(safe, `\u%04x`, unit)
		}
	}
	return safe, nil
}

// unsafeInJSON reports whether a terminal may act upon a character that the JSON
// encoder leaves as it is.
func unsafeInJSON(r rune) bool { return r >= 0x7f && r != utf8.RuneError && redact.IsUnsafe(r) }

// An Ending closes an answer of a JSON format.
type Ending struct {
	Complete bool   // nothing is missing from the answer: see doc/guide/output.md
	Error    string // what failed; "" when nothing did
	Summary  any    // counts; marshals to a JSON object
}

// document writes one JSON object: complete, error, results one a line, summary.
func document[R Record](w io.Writer, records iter.Seq[R], end Ending) error {
	head, err := Marshal(struct {
		Complete bool    `json:"complete"`
		Error    *string `json:"error"`
	}{end.Complete, text(end.Error)})
	if err != nil {
		return err
	}
	p := &printer{w: w}
	p.print(string(head[:len(head)-1]), `,"results":[`)
	separator := "\n"
	for r := range records {
		line, err := Marshal(r)
		if err != nil {
			return err
		}
		p.print(separator, string(line))
		separator = ",\n"
	}
	summary, err := Marshal(end.Summary)
	if err != nil {
		return err
	}
	p.print("\n],\"summary\":", string(summary), "}\n")
	return p.err
}

// Write writes one record as a line of newline-delimited JSON, in one Write.
func Write[R Record](w io.Writer, r R) error { return line(w, r) }

// End writes the last line of newline-delimited JSON, of kind "summary".
func End(w io.Writer, end Ending) error {
	return line(w, struct {
		Kind     string  `json:"kind"`
		Complete bool    `json:"complete"`
		Error    *string `json:"error"`
		Summary  any     `json:"summary"`
	}{"summary", end.Complete, text(end.Error), end.Summary})
}

func line(w io.Writer, v any) error {
	text, err := Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// Elapsed is a duration in JSON: seconds with three decimals.
type Elapsed time.Duration

// MarshalJSON writes seconds.
func (e Elapsed) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(e).Milliseconds()) / 1000)
}

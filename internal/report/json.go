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

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/redact"
)

// MarshalJSON writes the record as doc/guide/output.md describes it. Every key is there; the
// value is null if it is not known.
func (i Image) MarshalJSON() ([]byte, error) {
	return Marshal(struct {
		Kind       string  `json:"kind"`
		Verdict    string  `json:"verdict"`
		Reference  string  `json:"reference"`
		Host       string  `json:"host"`
		Namespace  string  `json:"namespace"`
		Repository string  `json:"repository"`
		Tag        string  `json:"tag"`
		Digest     *string `json:"digest"`
		Index      *bool   `json:"index"`
		Size       *int64  `json:"size"`
		Started    *string `json:"started"`
		Expires    *string `json:"expires"`
		Visibility *string `json:"visibility"`
		State      *string `json:"state"`
		Reason     *string `json:"reason"`
		Error      *string `json:"error"`
	}{"image", i.Verdict, i.Reference(), i.Host, i.Namespace, i.Repository, i.Tag,
		text(i.Digest.String()), known(i.Index, i.Digest), size(i.Size, i.Digest), text(stamp(i.Started)), text(stamp(i.Expires)),
		text(i.Visibility), text(i.State), text(i.Reason), text(i.Error)})
}

// MarshalJSON writes the record as doc/guide/output.md describes it.
func (r Repository) MarshalJSON() ([]byte, error) {
	return Marshal(struct {
		Kind         string  `json:"kind"`
		Reference    string  `json:"reference"`
		Host         string  `json:"host"`
		Namespace    string  `json:"namespace"`
		Repository   string  `json:"repository"`
		Visibility   string  `json:"visibility"`
		State        string  `json:"state"`
		LastModified *string `json:"last_modified"`
	}{"repository", r.Reference(), r.Host, r.Namespace, r.Name, r.Visibility, r.State, text(stamp(r.LastModified))})
}

// MarshalJSON writes the record as doc/guide/output.md describes it.
func (t Tag) MarshalJSON() ([]byte, error) {
	return Marshal(struct {
		Kind       string  `json:"kind"`
		Reference  string  `json:"reference"`
		Host       string  `json:"host"`
		Namespace  string  `json:"namespace"`
		Repository string  `json:"repository"`
		Tag        string  `json:"tag"`
		Digest     string  `json:"digest"`
		Index      bool    `json:"index"`
		Size       *int64  `json:"size"`
		Started    *string `json:"started"`
		Expires    *string `json:"expires"`
		Visibility *string `json:"visibility"`
	}{"tag", t.Reference(), t.Host, t.Namespace, t.Repository, t.Name, t.Digest.String(), t.Index,
		size(t.Size, t.Digest), text(stamp(t.Started)), text(stamp(t.Expires)), text(t.Visibility)})
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func known(b bool, d digest.Digest) *bool {
	if d == "" {
		return nil
	}
	return &b
}

func size(n int64, d digest.Digest) *int64 {
	if n < 0 || d == "" {
		return nil
	}
	return &n
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

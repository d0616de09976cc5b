// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/redact"
)

// Options choose how Render writes.
type Options struct {
	Format   Format
	Template *template.Template // of ParseTemplate; used when Format is Template
	Verdicts bool               // tables show the verdict on each image, and why it is unknown

	// Width is how many columns a Table may take; 0 is as many as it needs. Cells
	// are cut until it fits, names last, and end with the Ellipsis.
	Width    int
	Ellipsis string
}

// Render writes a whole answer. It ranges over the records once, or twice when
// columns have to be aligned. The ending matters to JSON and NDJSON only. An
// error comes from the writer, or from a template that fails on a record.
func Render[R Record](w io.Writer, records iter.Seq[R], end Ending, o Options) error {
	switch o.Format {
	case JSON:
		return document(w, records, end)
	case NDJSON:
		for r := range records {
			if err := Write(w, r); err != nil {
				return err
			}
		}
		return End(w, end)
	case CSV:
		return commaSeparated(w, records)
	case Refs:
		return listed(w, records, R.reference)
	case Digests:
		return unique(w, records, R.pinned)
	case Template:
		return expand(w, records, o.Template)
	}
	show := inTable
	switch o.Format {
	case Wide:
		show = inWide
	case Plain:
		show = inPlain
	}
	if o.Verdicts {
		show |= inVerdicts
	}
	if o.Format != Table {
		o.Width = 0
	}
	return aligned(w, records, show, o)
}

// ParseTemplate reads the text of a Go template for one kind of record, and
// tries it on a made-up record, so that a field that does not exist is found
// before anything is asked of a server.
func ParseTemplate[R Record](text string) (*template.Template, error) {
	t, err := template.New("--template").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	err = t.Execute(io.Discard, madeUp[R]())
	if _, what, ok := strings.Cut(fmt.Sprint(err), "can't evaluate field "); ok {
		field, _, _ := strings.Cut(what, " ")
		return nil, fmt.Errorf("--template: a result has no .%s; it has %s", field, strings.Join(fieldsOf[R](), " "))
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// fieldsOf names what a template can show of a record.
func fieldsOf[R Record]() (names []string) {
	t := reflect.TypeFor[R]()
	for i := range t.NumField() {
		if name := t.Field(i).Name; name != "Named" { // which is for the search
			names = append(names, "."+name)
		}
	}
	for i := range t.NumMethod() {
		if m := t.Method(i); m.Type.NumIn() == 1 && m.Type.NumOut() == 1 {
			names = append(names, "."+m.Name)
		}
	}
	return names
}

// madeUp is a record with texts in it, for templates that cut them up.
func madeUp[R Record]() (r R) {
	const host, namespace, repository = "registry.example", "organization", "repository"
	zeros := digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("0", 64))
	switch r := any(&r).(type) {
	case *Image:
		*r = Image{Verdict: Present, Host: host, Namespace: namespace, Repository: repository, Tag: "latest", Digest: zeros}
	case *Repository:
		*r = Repository{Host: host, Namespace: namespace, Name: repository}
	case *Tag:
		*r = Tag{Host: host, Namespace: namespace, Repository: repository, Name: "latest", Digest: zeros}
	}
	return r
}

func expand[R Record](w io.Writer, records iter.Seq[R], t *template.Template) error {
	p := &printer{w: w}
	for r := range records {
		var b strings.Builder
		if err := t.Execute(&b, r); err != nil {
			return err
		}
		p.print(b.String(), "\n")
		if p.err != nil {
			break
		}
	}
	return p.err
}

func listed[R Record](w io.Writer, records iter.Seq[R], name func(R) string) error {
	p := &printer{w: w}
	for r := range records {
		if s := name(r); s != "" && p.err == nil {
			p.print(redact.Escape(s), "\n")
		}
	}
	return p.err
}

// unique writes names without repetitions: two tags may have the same digest.
func unique[R Record](w io.Writer, records iter.Seq[R], name func(R) string) error {
	seen := map[string]bool{}
	return listed(w, func(yield func(R) bool) {
		for r := range records {
			if text := name(r); !seen[text] {
				seen[text] = true
				if !yield(r) {
					return
				}
			}
		}
	}, name)
}

// commaSeparated writes a header and one line a record, each ending in CR LF
// (RFC 4180). Fields are quoted only if CSV needs that.
func commaSeparated[R Record](w io.Writer, records iter.Seq[R]) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	var zero R
	if err := out.Write(row(zero, inCSV, func(c cell) string { return c.head })); err != nil {
		return err
	}
	for r := range records {
		if err := out.Write(row(r, inCSV, func(c cell) string { return c.text })); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// aligned writes aligned columns, with a header unless the layout is the plain one.
func aligned[R Record](w io.Writer, records iter.Seq[R], show layout, o Options) error {
	var zero R
	names := row(zero, show, func(c cell) string { return c.head })
	t := table{width: o.Width, ellipsis: o.Ellipsis, narrow: func(widths []int) {
		fit(names, widths, o.Width, utf8.RuneCountInString(o.Ellipsis))
	}}
	if show&inPlain == 0 {
		t.heads = row(zero, show, func(c cell) string { return strings.ToUpper(strings.ReplaceAll(c.head, "_", " ")) })
	}
	return t.write(w, func(yield func([]string) bool) {
		for r := range records {
			if !yield(row(r, show, func(c cell) string { return redact.Escape(cmp.Or(c.text, "-")) })) {
				return
			}
		}
	})
}

// row picks the cells of a layout.
func row[R Record](r R, show layout, text func(cell) string) []string {
	var row []string
	for _, c := range r.cells() {
		if c.in&show != 0 {
			row = append(row, text(c))
		}
	}
	return row
}

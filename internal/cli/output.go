// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/report"
)

// An output is standard output. After its first error nothing is written, and run reports
// that error.
type output struct {
	buf *bufio.Writer
	err error
}

func newOutput(w io.Writer) *output { return &output{buf: bufio.NewWriterSize(w, 32<<10)} }

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.buf.Write(p)
	o.err = err
	return n, err
}

// Flush writes the buffer and returns the first error.
func (o *output) Flush() error {
	if o.err == nil {
		o.err = o.buf.Flush()
	}
	return o.err
}

// addOutput adds the flags that choose a format for a kind of record.
func addOutput[R report.Record](a *app, cmd *cobra.Command) {
	names := report.Formats[R]()
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&a.flags.output, "output", "o", "", "format: "+strings.Join(names, ", ")+" (default table, or plain off a terminal)")
	f.StringVar(&a.flags.template, "template", "", "Go template for each result, followed by a line break")
	complete(cmd, "output", names...)
}

// format reads the flags of addOutput. A template is tried before anything is asked of a
// server.
func format[R report.Record](a *app) (report.Options, error) {
	if a.flags.template != "" && a.flags.output != "" {
		return report.Options{}, usagef("--output and --template contradict each other: give one of them")
	}
	if a.flags.template != "" {
		t, err := report.ParseTemplate[R](a.flags.template)
		if err != nil {
			return report.Options{}, usagef("%w", err)
		}
		return report.Options{Format: report.Template, Template: t}, nil
	}
	byDefault := report.Plain
	if a.stdoutTTY {
		byDefault = report.Table
	}
	f, err := report.ParseFormat[R](cmp.Or(a.flags.output, string(byDefault)))
	switch {
	case err != nil && a.flags.configured:
		return report.Options{}, usagef("config: defaults.output: %w; -o chooses another", err)
	case err != nil:
		return report.Options{}, usagef("%w", err)
	}
	o := report.Options{Format: f, Ellipsis: a.console.Ellipsis()}
	if a.stdoutTTY && a.columns != nil {
		o.Width = a.columns()
	}
	return o, nil
}

// render writes a finished answer. The function run reports an error of standard output.
func render[R report.Record](a *app, records iter.Seq[R], end report.Ending, o report.Options) error {
	if err := report.Render(a.out, records, end, o); err != nil && a.out.err == nil {
		return err
	}
	return nil
}

// stream writes and flushes a line of NDJSON. It reports whether that succeeded.
func stream[R report.Record](a *app, r R) bool {
	err := report.Write(a.out, r)
	return err == nil && a.out.Flush() == nil
}

// writeDocument writes an answer that is not a list of records: for people, or as JSON.
func (a *app) writeDocument(output string, d report.Document) error {
	err := error(nil)
	if output == "json" {
		err = report.WriteJSON(a.out, d)
	} else {
		width := 0
		if a.stdoutTTY && a.columns != nil {
			width = a.columns()
		}
		err = report.WriteDocument(a.out, d, width)
	}
	if a.out.err != nil {
		return nil // run reports the error
	}
	return err
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/quayside/quayside/internal/redact"
)

// gap is how many spaces are between columns.
const gap = 2

// dropped is the width of a column that is left out.
const dropped = -1

// A table writes rows in aligned columns. Cells must be safe for a terminal.
type table struct {
	heads []string // nil: no header
	width int      // of the terminal, in columns; 0 is as wide as the cells are

	// narrow makes the columns of a table fit the width: cells are cut to the widths that it
	// sets, and columns may be dropped. If narrow is nil, nothing is cut: a cell that does not
	// fit begins a new line, and the last cell, which is a remark, is broken between words.
	narrow   func(widths []int)
	ellipsis string
}

// write ranges over the rows twice. Without rows it writes nothing, not even the header.
func (t table) write(w io.Writer, rows iter.Seq[[]string]) error {
	var widths []int
	widen := func(row []string) {
		if t.narrow == nil { // the last cell of a row may be longer than its column
			row = row[:len(row)-1]
		}
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	empty := true
	for row := range rows {
		widen(row)
		empty = false
	}
	if empty {
		return nil
	}
	if t.heads != nil {
		widen(t.heads)
	}
	if t.narrow != nil && t.width > 0 {
		t.narrow(widths)
	}
	p := &printer{w: w}
	if t.heads != nil {
		p.print(t.line(t.heads, widths))
	}
	for row := range rows {
		if p.print(t.line(row, widths)); p.err != nil {
			break
		}
	}
	return p.err
}

// line returns a row as one line, or as several if it does not fit and nothing may be cut.
func (t table) line(row []string, widths []int) string {
	const indent = "    "
	var lines []string
	line, space := "", 0
	for i, cell := range row {
		last := i == len(row)-1
		if t.narrow != nil {
			if widths[i] == dropped {
				continue
			}
			cell = Cut(cell, widths[i], t.ellipsis)
		} else if t.width > 0 && i > 0 && utf8.RuneCountInString(line)+space+utf8.RuneCountInString(cell) > t.width {
			lines = append(lines, strings.TrimRight(line, " "))
			line, space = indent, 0
			if last {
				cell = strings.Join(breakLines(cell, t.width-len(indent)), "\n"+indent)
			}
		}
		line += strings.Repeat(" ", space) + cell
		if !last {
			space = widths[i] - utf8.RuneCountInString(cell) + gap
		}
	}
	return strings.Join(append(lines, line), "\n") + "\n"
}

// breakLines breaks a text between words into lines that fit a width. A longer word has a
// line of its own.
func breakLines(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// Cut shortens a text to a number of characters; the last of them are an
// ellipsis if some were cut.
func Cut(text string, width int, ellipsis string) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes, end := []rune(text), []rune(ellipsis)
	if len(end) >= width {
		return string(runes[:max(width, 0)])
	}
	return string(runes[:width-len(end)]) + ellipsis
}

// A printer writes until the first error and keeps it.
type printer struct {
	w     io.Writer
	width int // of the terminal; 0 if it does not matter
	err   error
}

func (p *printer) print(parts ...string) {
	for _, s := range parts {
		if p.err == nil {
			_, p.err = io.WriteString(p.w, s)
		}
	}
}

func (p *printer) printf(format string, args ...any) { p.print(fmt.Sprintf(format, args...)) }

// rows writes a table in which nothing is cut. Its cells may be any text; empty cells at the
// end of a row are left out.
func (p *printer) rows(rows [][]string) {
	for i, row := range rows {
		for len(row) > 1 && row[len(row)-1] == "" {
			row = row[:len(row)-1]
		}
		rows[i] = make([]string, len(row))
		for n, cell := range row {
			rows[i][n] = redact.Escape(cell)
		}
	}
	if p.err == nil {
		p.err = table{width: p.width}.write(p.w, slices.Values(rows))
	}
}

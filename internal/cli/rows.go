// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/quayside/quayside/internal/redact"
)

// rows are aligned lines of text, made safe for a terminal. On a terminal that is
// too narrow for a line, the cell that does not fit begins another one, and the last
// cell, which is a remark or a value, is broken between words. Names are never cut.
type rows struct {
	to    io.Writer
	width int // 0: as wide as the cells are
	lines *[][]string
}

func (a *app) newRows() rows {
	r := rows{to: a.out, lines: &[][]string{}}
	if a.stdoutTTY && a.columns != nil {
		r.width = a.columns()
	}
	return r
}

func (r rows) add(cells ...string) {
	for len(cells) > 1 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	for i, cell := range cells {
		cells[i] = redact.Escape(cell)
	}
	*r.lines = append(*r.lines, cells)
}

// flush writes the lines. The output keeps its error.
func (r rows) flush() {
	if r.width > 0 {
		r.fit()
	} else {
		w := tabwriter.NewWriter(r.to, 0, 0, 2, ' ', 0)
		for _, cells := range *r.lines {
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		_ = w.Flush()
	}
	*r.lines = nil
}

// fit writes the lines within the width, as far as names allow.
func (r rows) fit() {
	var widest []int // of each column, but for cells that end a line
	for _, cells := range *r.lines {
		for i, cell := range cells[:len(cells)-1] {
			if i == len(widest) {
				widest = append(widest, 0)
			}
			widest[i] = max(widest[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cells := range *r.lines {
		line := ""
		for i, cell := range cells {
			last := i == len(cells)-1
			if i > 0 && utf8.RuneCountInString(line)+utf8.RuneCountInString(cell) > r.width {
				fmt.Fprintln(r.to, strings.TrimRight(line, " "))
				line = "    "
				if last {
					line += strings.Join(broken(cell, r.width-4), "\n    ")
					break
				}
			}
			line += cell
			if !last {
				line += strings.Repeat(" ", widest[i]-utf8.RuneCountInString(cell)+2)
			}
		}
		fmt.Fprintln(r.to, line)
	}
}

// broken breaks a text between words into lines of at most a width; a word that is
// longer stands alone.
func broken(text string, width int) (lines []string) {
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// helpWidth is the largest width of a help text, in columns.
const helpWidth = 80

// fold breaks the lines of a help text at helpWidth and fills paragraphs. A line that begins
// with a space is not joined with others; if it has columns, the last column is wrapped.
func fold(text string) string {
	var b strings.Builder
	var paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			breakWords(&b, strings.Fields(strings.Join(paragraph, " ")), "", "")
			paragraph = nil
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		switch {
		case line != "" && line[0] != ' ':
			paragraph = append(paragraph, line)
			continue
		case utf8.RuneCountInString(line) <= helpWidth:
			end()
			b.WriteString(line + "\n")
			continue
		}
		end()
		words := strings.TrimLeft(line, " ")
		column := strings.LastIndex(words, "  ")
		if column < 0 {
			column = -2 // none: the next lines are indented like the first
		}
		column += len(line) - len(words) + 2
		breakWords(&b, strings.Fields(line[column:]), line[:column], strings.Repeat(" ", column))
	}
	end()
	return b.String()
}

// breakWords writes words in lines. The first line and the others have their own indentation.
func breakWords(b *strings.Builder, words []string, first, others string) {
	line := first
	for i, word := range words {
		if i > 0 {
			if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= helpWidth {
				line += " " + word
				continue
			}
			b.WriteString(line + "\n")
			line = others
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// foldExamples breaks command lines as a shell reads them: before a flag if
// possible, and not within quotes.
func foldExamples(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		for utf8.RuneCountInString(line) > helpWidth {
			at, flag := 0, 0
			for i := len("     x"); i < helpWidth-1; i++ {
				if line[i] == ' ' && strings.Count(line[:i], "'")%2 == 0 {
					at = i
					if line[i+1] == '-' {
						flag = i
					}
				}
			}
			if at = cmp.Or(flag, at); at == 0 {
				break
			}
			b.WriteString(line[:at] + " \\\n")
			line = "     " + line[at:]
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

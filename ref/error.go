// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"fmt"
	"strings"
	"unicode"
)

// SyntaxError says that a pattern, a reference or a name cannot be read, and
// where. Every error of this package is a *SyntaxError.
type SyntaxError struct {
	// Input is the text as given, with every token and password replaced by
	// "[redacted]", and cut when it is longer than any pattern may be.
	Input string

	// Offset is the byte in Input at fault. It is len(Input) when something is
	// missing at the end.
	Offset int

	// Msg says what is wrong and what to write instead. It never quotes a
	// value of the query.
	Msg string
}

// Error gives three lines: the message, the input, and a caret under the
// character at fault. A long input is shown around that character only, and
// characters that do not print are shown as U+FFFD.
func (e *SyntaxError) Error() string {
	shown, column := window(e.Input, e.Offset)
	return "ref: " + e.Msg + "\n  " + shown + "\n  " + strings.Repeat(" ", column) + "^"
}

// How much of a long input is shown before and after the character at fault.
const (
	shownBefore = 50
	shownAfter  = 50
)

// window gives the printable part of input around offset, and the column of
// offset in it.
func window(input string, offset int) (shown string, column int) {
	offset = min(max(offset, 0), len(input))
	before := []rune(printable(input[:offset]))
	after := []rune(printable(input[offset:]))
	var head, tail string
	if len(before) > shownBefore {
		before, head = before[len(before)-shownBefore:], "..."
	}
	if len(after) > shownAfter {
		after, tail = after[:shownAfter], "..."
	}
	return head + string(before) + string(after) + tail, len(head) + len(before)
}

// printable replaces what would disturb a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// fail makes an error at an offset of the text that a parser was given. The
// text itself is added once, by in, when the error leaves the package.
func fail(offset int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: offset, Msg: fmt.Sprintf(format, args...)}
}

// moved gives the same error for a text that begins by bytes earlier.
func (e *SyntaxError) moved(by int) *SyntaxError {
	if e == nil {
		return nil
	}
	return &SyntaxError{Offset: e.Offset + by, Msg: e.Msg}
}

// in gives the error its input, redacted, and the offset that belongs to it.
// It returns nil for no error, so that a public function can end with it.
func (e *SyntaxError) in(raw string) error {
	if e == nil {
		return nil
	}
	shown, offset := redact(raw, min(e.Offset, len(raw)))
	if len(shown) > maxInput {
		shown = shown[:maxInput] + "..."
		offset = min(offset, maxInput)
	}
	return &SyntaxError{Input: shown, Offset: offset, Msg: e.Msg}
}

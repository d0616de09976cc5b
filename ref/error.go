// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"fmt"
	"strings"
	"unicode"
)

// A SyntaxError reports that a pattern, reference or name cannot be parsed, and
// where. Every error of this package is a *SyntaxError.
type SyntaxError struct {
	// Input is the text, with tokens and passwords replaced by "[redacted]", and
	// cut if it is longer than a pattern may be.
	Input string

	// Offset is the byte of Input where the error is. It is len(Input) if something
	// is missing at the end.
	Offset int

	// Msg says what is wrong and what to write instead. It never quotes a value of
	// the query.
	Msg string
}

// Error returns three lines: the message, the input, and a caret under the
// character at Offset. It cuts a long input around this character, and replaces
// characters that do not print by U+FFFD.
func (e *SyntaxError) Error() string {
	shown, column := window(e.Input, e.Offset)
	return "ref: " + e.Msg + "\n  " + shown + "\n  " + strings.Repeat(" ", column) + "^"
}

// How many characters of a long input are shown before and after the offset.
const (
	shownBefore = 50
	shownAfter  = 50
)

// window returns the printable part of input around offset, and the column of
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

// printable replaces characters that a terminal may act upon.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// fail returns an error at an offset of the text that a parser reads. withInput
// adds the text when the error leaves the package.
func fail(offset int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: offset, Msg: fmt.Sprintf(format, args...)}
}

// shift returns the error with its offset increased by n bytes.
func (e *SyntaxError) shift(n int) *SyntaxError {
	if e == nil {
		return nil
	}
	return &SyntaxError{Offset: e.Offset + n, Msg: e.Msg}
}

// withInput returns the error with its input, without secrets, or nil if e is nil.
func (e *SyntaxError) withInput(raw string) error {
	if e == nil {
		return nil
	}
	shown, offset := hideSecrets(raw, min(e.Offset, len(raw)))
	if len(shown) > maxInput {
		shown = shown[:maxInput] + "..."
		offset = min(offset, maxInput)
	}
	return &SyntaxError{Input: shown, Offset: offset, Msg: e.Msg}
}

// parsed is what the public functions return: the result of parse, or an error with
// its input and the zero value.
func parsed[T any](s string, parse func(string) (T, *SyntaxError)) (T, error) {
	result, err := parse(s)
	if err != nil {
		var zero T
		return zero, err.withInput(s)
	}
	return result, nil
}

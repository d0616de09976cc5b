// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxLine = 300 // characters

// commands matches the terminal's CSI and OSC sequences.
var commands = lazily("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?")

// Line returns a server's text as one line of at most 300 printable characters, with
// [Mark] in the place of each secret.
func (r *Redactor) Line(text string) string {
	text = commands().ReplaceAllString(r.Text(text), "")
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' ' // control and format characters, and all spaces
	}, text)
	text = r.Text(strings.Join(strings.Fields(text), " ")) // joining may have completed a secret
	if line := []rune(text); len(line) > maxLine {
		text = string(line[:maxLine]) + "..."
	}
	return text
}

// Escape returns a server's text with visible escapes such as \x1b in place of everything
// that a terminal could act upon: control characters, line breaks, characters that change
// the writing direction, and bytes that are not UTF-8. Other text is unchanged.
func Escape(text string) string {
	if !strings.ContainsFunc(text, IsUnsafe) {
		return text
	}
	var b strings.Builder
	for i, c := range text {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[i])|0x100, 16)[1:])
		case IsUnsafe(c) && c != utf8.RuneError:
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// IsUnsafe reports whether a terminal may act upon a character instead of showing it.
func IsUnsafe(c rune) bool {
	return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Zl, c) ||
		unicode.Is(unicode.Zp, c) || c == utf8.RuneError
}

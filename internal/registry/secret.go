// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"strings"
	"unicode"

	"github.com/quayside/quayside/internal/redact"
)

// secrets are what a registry was told or gave and nobody else may see. What a
// server says is searched for them: an error that repeats one is not shown.
// Safe for concurrent use.
type secrets struct{ *redact.Redactor }

// add remembers a secret that the registry gave.
func (s secrets) add(secret string) { s.AddPassing(secret) }

func (s secrets) addCredential(c Credential) {
	if user, secret := c.parts(); secret != "" {
		s.AddBasic(user, secret)
	}
}

// shown reports whether a text has a secret in it.
func (s secrets) shown(text string) bool { return s.Shows(text) }

// escapes are what a terminal takes for commands: CSI and OSC sequences.
var escapes = lazily("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?")

const maxText = 300 // characters shown of a server's text

// tidy makes a server's text fit to be shown: one line of printable characters,
// not too long, and nothing at all when there is a secret in it.
func (s secrets) tidy(text string) string {
	if s.shown(text) {
		return ""
	}
	text = escapes().ReplaceAllString(text, "")
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' ' // control and format characters, and all spaces
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "..."
	}
	if s.shown(text) { // put together by the tidying
		return ""
	}
	return text
}

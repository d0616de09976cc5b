// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package console

import (
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width returns how many columns a terminal has, or 0 if w is none.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// movesCursor reports whether a terminal understands escape sequences. On Windows, where
// nobody sets TERM, it does.
func movesCursor(env func(string) (string, bool)) bool {
	name, _ := env("TERM")
	return name != "dumb" && (name != "" || runtime.GOOS == "windows")
}

// speaksUTF8 reports whether the locale has characters beyond ASCII. Windows and macOS have
// them unless a locale says otherwise.
func speaksUTF8(env func(string) (string, bool)) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale, _ := env(name); locale != "" {
			locale = strings.ToLower(locale)
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin"
}

// Ellipsis stands for what was cut off a text.
func (c *Console) Ellipsis() string {
	if c.ASCII {
		return "..."
	}
	return "…"
}

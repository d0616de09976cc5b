// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"strings"
	"testing"
)

func TestConsoleShowsNoControlCharacters(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var stderr bytes.Buffer
		c := New(&stderr, noEnvironment)
		c.Setup(Options{JSON: format == "json"})
		c.Fail("the server said: %s", "\x1b[2J\x07gone\r\nquayside: all is well")
		text := stderr.String()
		if strings.ContainsAny(text, "\x1b\x07\r") {
			t.Errorf("%s: %q", format, text)
		}
	}
}

// What holds a run up is in its progress: the server's limit, and the wait that
// it asks for.

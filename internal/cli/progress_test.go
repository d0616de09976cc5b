// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/discover"
)

func TestProgressOffATerminalIsALineEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := newApp(nil, nil, &stderr, nil)
		m := a.meter(false)
		defer m.stop()
		start := time.Now()
		for range 60 { // twelve seconds
			time.Sleep(200 * time.Millisecond)
			m.show(discover.Progress{Listed: 10, Candidates: 9, Checked: 3, Present: 2, Elapsed: time.Since(start)})
		}
		want := "quayside: 10 listed, 3 of 9 checked, 2 found, about 10s left\n" +
			"quayside: 10 listed, 3 of 9 checked, 2 found, about 20s left\n"
		if got := stderr.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestProgressIsSilentWhenQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := newApp(nil, nil, &stderr, nil)
		a.flags.quiet = true
		a.talk.setup(a.flags, false, false)
		m := a.meter(false)
		defer m.stop()
		time.Sleep(time.Minute)
		m.show(discover.Progress{Listed: 10})
		if stderr.Len() > 0 {
			t.Errorf("got %q", &stderr)
		}
	})
}

func TestProgressInWords(t *testing.T) {
	tests := map[string]discover.Progress{
		"0 listed so far": {Listing: true},
		"300 listed so far, 9 of 90 checked, 4 found": {Listing: true, Listed: 300, Candidates: 90, Checked: 9, Present: 4},
		"9 listed, 0 of 9 checked, 0 found":           {Listed: 9, Candidates: 9},
		"9 listed, 3 of 9 checked, 1 found, 2 unknown, about 1m0s left": {
			Listed: 9, Candidates: 9, Checked: 3, Present: 1, Unknown: 2, Elapsed: 30 * time.Second},
		"9 listed, 9 of 9 checked, 9 found": {Listed: 9, Candidates: 9, Checked: 9, Present: 9, Elapsed: time.Second},
	}
	for want, progress := range tests {
		if got := describe(progress); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTalkShowsNoControlCharacters(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var stderr bytes.Buffer
		talk := newTalk(&stderr)
		talk.setup(flags{logFormat: format}, false, false)
		talk.fail("the server said: %s", "\x1b[2J\x07gone\r\nquayside: all is well")
		text := stderr.String()
		if strings.ContainsAny(text, "\x1b\x07\r") {
			t.Errorf("%s: %q", format, text)
		}
	}
}

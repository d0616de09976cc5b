// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/redact"
)

func TestEscapeLeavesOrdinaryTextAlone(t *testing.T) {
	for _, s := range []string{"", "plain", "größe 猫 é", "a\uFFFDb"} {
		if got := redact.Escape(s); got != s {
			t.Errorf("Escape(%q) = %q", s, got)
		}
	}
}

func TestEscapeShowsWhatIsNoText(t *testing.T) {
	for text, want := range map[string]string{"a\xffb": `a\xffb`, "a\x1b[2J\r\n": `a\x1b[2J\r\n`, "\u202eb": `\u202eb`} {
		if got := redact.Escape(text); got != want {
			t.Errorf("Escape(%q) = %q, want %q", text, got, want)
		}
	}
}

// A line is short, and has no control character and no secret, even if the cleaning
// joins the parts of a secret.
func TestLine(t *testing.T) {
	var r redact.Redactor
	r.Add("hu5h-of me")
	for text, want := range map[string]string{
		"":                                      "",
		" two\r\n\tlines \x00":                  "two lines",
		"\x1b[31mred\x1b[0m \x1b]0;title\atext": "red text",
		"it is hu5h-of me.":                     "it is " + redact.Mark + ".",
		"it is hu5h-of\n me.":                   "it is " + redact.Mark + ".",
		"it is hu5\x1b[1mh-of me.":              "it is " + redact.Mark + ".",
		strings.Repeat("ü", 400):                strings.Repeat("ü", 300) + "...",
	} {
		if got := r.Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
	if got := (*redact.Redactor)(nil).Line("a\nb"); got != "a b" {
		t.Errorf("without a redactor: %q", got)
	}
}

// A Secret does not print, alone or in a struct, by any verb.
func TestSecretDoesNotPrint(t *testing.T) {
	s := redact.NewSecret("hu5h")
	inside := struct {
		Public  redact.Secret
		private redact.Secret
	}{s, s}
	shown := fmt.Sprintf("%v %+v %#v %s %q %d %x|%v %+v %#v|%v", s, s, s, s, s, s, s, inside, inside, inside, errors.New(fmt.Sprint(s)))
	for _, v := range []any{s, inside, map[string]redact.Secret{"a": s}} {
		text, err := json.Marshal(v)
		shown += fmt.Sprint(string(text), err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "a", s, "b", inside)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", s, "b", inside)
	if strings.Contains(shown+log.String(), "hu5h") || strings.Contains(shown, "68753568") {
		t.Errorf("shows %s %s", shown, &log)
	}
	if s.Reveal() != "hu5h" || s.IsZero() || !redact.NewSecret("").IsZero() || fmt.Sprint(redact.Secret{}) != "" {
		t.Error("the value is lost, or made up")
	}
}

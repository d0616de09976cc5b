// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/quayside/quayside/ref"
)

// syntaxError returns the error of a pattern that must not parse.
func syntaxError(t *testing.T, pattern string) *ref.SyntaxError {
	t.Helper()
	_, err := ref.ParsePattern(pattern)
	var syntax *ref.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("ParsePattern(%q): %v, want a *SyntaxError", pattern, err)
	}
	return syntax
}

func TestErrorPointsAtTheCharacter(t *testing.T) {
	got := syntaxError(t, "quay://kolla/nova-api:2025,1#").Error()
	want := `ref: tag: '#' is not allowed here; a query is ?since=SINCE, at the end
  quay://kolla/nova-api:2025,1#
                              ^`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestErrorOfALongInputShowsAPart(t *testing.T) {
	lines := strings.Split(syntaxError(t, "kolla/"+strings.Repeat("a", 9000)+"!"+strings.Repeat("b", 4000)).Error(), "\n")
	if len(lines) != 3 || len(lines[1]) > 120 {
		t.Fatalf("got %q", lines)
	}
	if column := strings.IndexByte(lines[2], '^'); lines[1][column] != '!' {
		t.Errorf("the caret does not stand under the character:\n%s\n%s", lines[1], lines[2])
	}
}

func TestErrorHoldsNothingATerminalObeys(t *testing.T) {
	text := syntaxError(t, "kolla/\x1b[31m\a\u202e\xff").Error()
	if strings.ContainsAny(text, "\x1b\a\u202e") || !utf8.ValidString(text) {
		t.Errorf("got %q", text)
	}
}

func TestErrorMadeByHandDoesNotPanic(t *testing.T) {
	for _, offset := range []int{-1, 3, 4, 99} {
		_ = (&ref.SyntaxError{Input: "abc", Offset: offset, Msg: "m"}).Error()
	}
}

func TestErrorOfEscapedTextPointsIntoTheEscapedForm(t *testing.T) {
	for pattern, rest := range map[string]string{
		"kolla/a%2Cb%2CC:v1":         "C:v1",
		"kolla/a:v1%2C%20v%7C2":      "%7C2",
		"kolla/a:v%2x":               "%2x",
		"kolla?since=2025%2D01%2D99": "2025%2D01%2D99",
		"kolla?since=3%4":            "%4",
		"kolla?token=ab%zz":          "token=[redacted]",
	} {
		syntax := syntaxError(t, pattern)
		if got := syntax.Input[syntax.Offset:]; got != rest {
			t.Errorf("the error of %q points at %q, want %q", pattern, got, rest)
		}
	}
}

// A secret does not reach an error, whatever is wrong with the pattern around
// it or with itself.
func TestErrorHidesSecrets(t *testing.T) {
	const secret = "s3cr3tVALUE"
	for _, form := range []string{
		"kolla/*:v 1?token=%s",
		"kolla/*:v1?sinse=30d&token=%s",
		"kolla/*:v1?token=%s&sinse=30d",
		"kolla/*:v1?tokn=%s",
		"kolla/*:v1?Token=%s",
		"kolla/*:v1?TOKEN=%s",
		"kolla/*:v1?%%74oken=%s",
		"kolla/*:v1?token=a&%s",
		"kolla/*:v1?token=a%%zz%s",
		"kolla/*:v1?token=a&b=%s",
		"kolla/*:v1?token=a %s",
		"kolla/*:v1?token=a\n%s",
		"kolla/*:v1?token=\xff%s",
		"kolla/*:v1&token=%s",
		"kolla/*:v1;token=%s",
		"kolla/*:v1?token%%3D%s=",
		"kolla/*:v1?since=30d;token=%s",
		"kolla/*:v1?since=token=%s",
		"kolla/*:v1?=%s",
		"kolla/*:v1 token=%s",
		"kolla/*:v1?token=a&token=%s",
		"kolla/*:v1?\xff\xfftoken=%s",
		"quay://me:%s@quay.io/kolla",
		"quay://%s@quay.io/kolla",
		"me:%s@quay.io/kolla",
		"quay://me:a/%s@quay.io/kolla",
		"https://me:%s@quay.io/kolla",
		"quay://me:%s@quay.io/kolla?token=%[1]s",
		"quay://me:%s@quay.io/kolla#" + strings.Repeat("x", 20000),
	} {
		pattern := fmt.Sprintf(form, secret)
		_, err := ref.ParsePattern(pattern)
		if err == nil {
			t.Errorf("%q parses", pattern)
			continue
		}
		_, tagsErr := ref.ParseTags(pattern)
		_, repositoriesErr := ref.ParseRepositories(pattern)
		_, imageErr := ref.ParseImage(pattern)
		_, sinceErr := ref.ParseSince(pattern)
		for _, err := range []error{err, tagsErr, repositoriesErr, imageErr, sinceErr, ref.ValidTag(pattern)} {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) {
				t.Errorf("the error of %q shows the secret:\n%s", pattern, text)
			}
		}
	}
}

func TestErrorShowsWhatIsNoSecret(t *testing.T) {
	for _, pattern := range []string{
		"registry.example:8443/kolla/nova:v1@sha256:00",
		"kolla/*:>=4.12,<4.15?since=30d",
		"kolla/*:v1?since=yesterday",
		"kolla/nova@1",
	} {
		if syntax := syntaxError(t, pattern); syntax.Input != pattern {
			t.Errorf("the error of %q shows %q", pattern, syntax.Input)
		}
	}
}

// An error is made in time that grows with the input, whatever it holds.
func TestErrorOfHostileInput(t *testing.T) {
	for _, part := range []string{"token=", "%3d", "?token=&since=", "a@", "&a=", "\xff", "[", "{", "?", "/", ":"} {
		inNoTime(t, func() {
			if text := syntaxError(t, strings.Repeat(part, 1<<20/len(part))).Error(); len(text) > 1000 {
				t.Errorf("%q repeated: %d bytes", part, len(text))
			}
		})
	}
}

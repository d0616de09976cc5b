// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quayside/quayside/ref"
)

// The table of forms stands in doc/patterns.md; TestPageTables reads it.

func TestParsePatternKeepsTheTokenApart(t *testing.T) {
	for pattern, token := range map[string]string{
		"kolla/*:v1?token=abc":                      "abc",
		"kolla/*:v1?since=1d&token=abc":             "abc",
		"kolla/*:v1?token=a%26b%25c%3Dd":            "a&b%c=d",
		"kolla/*:v1?token=a+b/c==":                  "a+b/c==",
		"kolla/*:v1?token=a?since=1d":               "a?since=1d",
		"kolla/*:v?1?token=abc":                     "abc",
		"quay.io/kolla?token=" + "x:y@z/[b]{c}#d*!": "x:y@z/[b]{c}#d*!",
	} {
		p, err := ref.ParsePattern(pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Token.Reveal(); got != token {
			t.Errorf("the token of %q is %q, want %q", pattern, got, token)
		}
		if strings.Contains(p.String(), "token") {
			t.Errorf("%q prints its token: %s", pattern, p)
		}
		if warnings := strings.Join(p.Warnings(), "\n"); !strings.Contains(warnings, "QUAYSIDE_TOKEN") ||
			!strings.Contains(warnings, "--token-file") || strings.Contains(warnings, token) {
			t.Errorf("the warnings of %q are %q", pattern, warnings)
		}
	}
}

func TestPatternWithoutTokenHasNoWarning(t *testing.T) {
	p, err := ref.ParsePattern("quay.io/kolla/*:v1?since=30d")
	if err != nil || len(p.Warnings()) > 0 || !p.Token.IsZero() {
		t.Errorf("got %v, %q, token %v", err, p.Warnings(), p.Token)
	}
}

func TestPatternMadeByHandHasTheDefaults(t *testing.T) {
	made := ref.Pattern{Namespace: "kolla"}
	same(t, "the pattern", made.String(), "quay://kolla/*:latest")
	if !made.Repositories.Match("nova") || made.Repositories.Match("tools/nova") || made.Repositories.Match("") {
		t.Error("the zero Repositories is not *")
	}
	if !made.Repositories.MatchAcross("tools/nova") {
		t.Error("the zero Repositories would not match across")
	}
	if !made.Tags.Match("latest") || made.Tags.Match("v1") || made.Tags.Literal() != "latest" {
		t.Error("the zero Tags is not latest")
	}
	if exact, ok := made.Tags.Exact(); !ok || !reflect.DeepEqual(exact, []string{"latest"}) {
		t.Errorf("Exact gives %q, %v", exact, ok)
	}
}

func TestPatternBoundsItsLength(t *testing.T) {
	long := strings.Repeat("a,", 20000) + "a"
	for what, err := range map[string]error{
		"pattern":      parsed(ref.ParsePattern("kolla/" + long)),
		"repositories": parsed(ref.ParseRepositories(long)),
		"tags":         parsed(ref.ParseTags(long)),
		"image":        parsed(ref.ParseImage("kolla/a:" + long)),
	} {
		if err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("a long %s: %v", what, err)
		}
	}
}

// parsed gives the error of a parser.
func parsed[T any](_ T, err error) error { return err }

// checkStable asks of a pattern what String promises: its canonical form
// parses to an equal pattern, its token aside, and prints the same.
func checkStable(t interface{ Fatalf(string, ...any) }, p ref.Pattern) {
	again, err := ref.ParsePattern(p.String())
	if err != nil {
		t.Fatalf("the canonical form does not parse: %v", err)
	}
	p.Token = ref.Secret{}
	if !reflect.DeepEqual(p, again) {
		t.Fatalf("%s parses to another pattern: %s", p, again)
	}
	if p.String() != again.String() {
		t.Fatalf("%s prints as %s", p, again)
	}
}

// Patterns built from the grammar all parse, and their parts arrive.
func TestPatternsOfTheGrammar(t *testing.T) {
	globs := rapid.StringMatching(`!?([a-z0-9]([a-z0-9._-]|\*|\?|\[!?[a-z]\]|\{a,b\}){0,6}/)?(\*\*|[a-z0-9]\*?|\{nova,\{a,b\}c\})`)
	tags := rapid.StringMatching(`!?([A-Za-z0-9_][A-Za-z0-9._*?-]{0,9}|(~|\^|>=|<|=)v?[1-9](\.[0-9]{1,2}){0,2}(-rc[1-9])?(-x86)?)`)
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"", "quay.io/", "h:80/", "localhost/", "[::1]/"}).Draw(t, "host")
		repositories := strings.Join(rapid.SliceOfN(globs, 1, 4).Draw(t, "repositories"), ",")
		list := strings.Join(rapid.SliceOfN(tags, 1, 4).Draw(t, "tags"), ",")
		query := rapid.SampledFrom([]string{"", "?since=30d", "?since=2025-01-02T03:04:05Z&token=a"}).Draw(t, "query")
		pattern := host + "kolla/" + repositories + ":" + list + query
		p, err := ref.ParsePattern(pattern)
		if err != nil {
			// Two ranges that together are everything, or a name excluded again.
			if text := err.Error(); strings.Contains(text, "is every version") || strings.Contains(text, "excluded again") {
				t.Skip()
			}
			t.Fatalf("%v", err)
		}
		if p.Host+"/" != host && p.Host != host || p.Repositories.String() != repositories || p.Tags.String() != list {
			t.Fatalf("%q became %s", pattern, p)
		}
		checkStable(t, p)
	})
}

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

// The table of forms is in doc/guide/patterns.md; TestPageTables reads it.

// A token in a query is refused, whatever else is wrong, and never repeated.
func TestTokenInAQueryIsRefused(t *testing.T) {
	const secret = "s3cr3tVALUE"
	for _, form := range []string{
		"kolla/*:v1?token=", "kolla/*:v1?since=1d&token=", "kolla/*:v1?sinse=1d&token=", "kolla/*:v?1?token=", "quay.io/kolla?token=",
		"kolla/Upper:v1?token=", "https://quay.io/kolla?token=", "kolla/nova:v1?Token=", "kolla/nova?access_token=", "?token=",
	} {
		_, err := ref.ParsePattern(form + secret)
		_, imageErr := ref.ParseImage(form + secret)
		for _, err := range []error{err, imageErr} {
			if err == nil {
				t.Errorf("%q parses", form)
				continue
			}
			for _, word := range []string{"token", "$QUAYSIDE_TOKEN", "--token-file", "config file"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error of %q lacks %q: %v", form, word, err)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error of %q shows the token: %v", form, err)
			}
		}
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
		t.Errorf("Exact = %q, %v", exact, ok)
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

// parsed returns the error of a parser.
func parsed[T any](_ T, err error) error { return err }

// checkStable asks of a pattern what String promises: its canonical form
// parses to an equal pattern, and prints the same.
func checkStable(t interface{ Fatalf(string, ...any) }, p ref.Pattern) {
	again, err := ref.ParsePattern(p.String())
	if err != nil {
		t.Fatalf("the canonical form does not parse: %v", err)
	}
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
		query := rapid.SampledFrom([]string{"", "?since=30d", "?since=2025-01-02T03:04:05Z"}).Draw(t, "query")
		pattern := host + "kolla/" + repositories + ":" + list + query
		p, err := ref.ParsePattern(pattern)
		if err != nil {
			// Two ranges that together are everything, or a name excludes every name.
			if text := err.Error(); strings.Contains(text, "is every version") || strings.Contains(text, "excludes every name") {
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

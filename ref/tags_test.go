// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/quayside/quayside/ref"
)

// The tables of tags and versions stand in doc/guide/patterns.md; TestPageTables
// reads them.

func tags(t testing.TB, s string) ref.Tags {
	t.Helper()
	list, err := ref.ParseTags(s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTagsExact(t *testing.T) {
	for list, want := range map[string]string{
		"2025.1":                 "2025.1",
		"b,a,b":                  "b a",
		"2025.1-{ubuntu,rocky}":  "2025.1-ubuntu 2025.1-rocky",
		"a,b,!b":                 "a",
		"a,4.1,4.2,20240101,!~4": "a 20240101",
		"A,a":                    "A a",
		"a*":                     "",
		"a,b*":                   "",
		"~4":                     "",
		"!a":                     "",
	} {
		names, ok := tags(t, list).Exact()
		if got := strings.Join(names, " "); got != want || ok != (want != "") {
			t.Errorf("Exact of %q is %q, %v; want %q", list, names, ok, want)
		}
	}
}

func TestTagsNames(t *testing.T) {
	for list, want := range map[string]string{
		"2025.1":        "2025.1",
		"2025.{1,2}":    "2025.1 2025.2",
		"2025.1,~2024":  "2025.1",
		"v1,v2*,!v1":    "",
		"=4.12.0,4.12*": "",
		"~4,4.1,!~4.1":  "",
		"a,~4,!=4.12":   "a",
		"!latest":       "",
	} {
		same(t, list, strings.Join(tags(t, list).Names(), " "), want)
	}
	same(t, "default", strings.Join(ref.Tags{}.Names(), " "), "latest")
}

func TestTagsExactIsACopy(t *testing.T) {
	list := tags(t, "a,b")
	names, _ := list.Exact()
	names[0] = "changed"
	if again, _ := list.Exact(); !slices.Equal(again, []string{"a", "b"}) {
		t.Errorf("a caller changed the list: %q", again)
	}
}

func TestTagsLiteral(t *testing.T) {
	for list, want := range map[string]string{
		"2025.1":                         "2025.1",
		"2025.1-*":                       "2025.1-",
		"*-ubuntu-*-x86":                 "-ubuntu-",
		"v?.12":                          ".12",
		"v[12].x":                        ".x",
		"Mixed*":                         "Mixed",
		"*":                              "",
		"*,2025.1":                       "",
		"2025.1-ubuntu-*,2025.1-rocky-*": "2025.1-",
		"2025.1-{ubuntu,rocky}-*":        "2025.1-",
		"a-2025.1,2025.1-b":              "2025.1",
		"*abc*,*bcd*,*xbcx*":             "bc",
		"*ab*cd*,*cd*":                   "cd",
		"Abc*,abc*":                      "bc",
		"abc*,xyz*":                      "",
		"!abc":                           "",
		"abc*,!xyz":                      "abc",
		"~2025.1":                        "2025.",
		"~2025.0":                        "2025",
		"~4":                             "4",
		"^1.2":                           "1",
		"=4.12.3":                        "4.",
		">=4.12 <4.15":                   "",
		">=4.12-x86_64 <4.15":            "x86_64",
		"~2025.1-ubuntu-noble":           "ubuntu-noble",
		"~2025.1,2025.1*":                "2025.",
	} {
		if got := tags(t, list).Literal(); got != want {
			t.Errorf("Literal of %q is %q, want %q", list, got, want)
		}
	}
}

func TestTagsMatchNoOverlongName(t *testing.T) {
	long := strings.Repeat("a", 129)
	if list := tags(t, "*"); list.Match(long) || !list.Match(long[:128]) {
		t.Error("the length of a tag is not bounded at 128")
	}
}

// Odd comparisons that the version library knows but that would surprise.
func TestRangesThatSurprise(t *testing.T) {
	for list, expect := range map[string]struct{ yes, no string }{
		"~0.0.0":     {yes: "0.0.7", no: "1.0"},
		"~0.0.0-rc1": {yes: "0.0.0-rc2", no: "1.0"},
		"^0.0.3":     {yes: "0.0.3", no: "0.0.4"},
		"^0":         {yes: "0.9", no: "1.0"},
		"!=4.12":     {yes: "latest", no: "4.12.3"},
		"!=4.12,~4":  {yes: "4.11", no: "4.12.3"},
		"=22.4":      {yes: "22.04", no: "22.05"},
		">=1-rc1":    {yes: "1.0-rc1", no: "1.0-rc0"},
		"=v1.2.3":    {yes: "1.2.3", no: "1.2.4"},
		">= 4 < 5":   {yes: "4.2", no: "5.0"},
		">=3000":     {yes: "3000.12.31", no: "2999.12.31"}, // no year of ours
	} {
		if r := tags(t, list); !r.Match(expect.yes) || r.Match(expect.no) {
			t.Errorf("%q matches %q: %v; matches %q: %v", list,
				expect.yes, r.Match(expect.yes), expect.no, r.Match(expect.no))
		}
	}
}

func TestRangesRefused(t *testing.T) {
	for list, want := range map[string]string{
		"~1.2.3.4":                       "want a version",
		"~latest":                        "want a version",
		"~1.2-":                          "want a version",
		"~99999999999999999999.1":        "a date or a build number",
		"~1.99999999999999999999":        "want a version",
		"~2024.01.31":                    "a date or a build number",
		"~v20240101":                     "a date or a build number",
		"~1.2+build":                     "'+' is not allowed here",
		"~":                              "a version is missing",
		">=1 4":                          "want comparisons",
		">=1-arm64 <2-x86":               `two variants, "arm64" and "x86"`,
		"=<4":                            "a version is missing",
		"<5,>=4":                         "is every version",
		strings.Repeat(">=1 ", 17):       "more than 16 comparisons",
		"~1-" + strings.Repeat("x", 600): "longer than 500",
		"~4||~5":                         `a comma means "or"`,
		">4.12 <=4.11":                   "no version can be both >4.12 and <=4.11",
	} {
		_, err := ref.ParseTags(list)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", list, err, want)
		}
	}
	for _, list := range []string{">=4.12.3 <=4.12", "<4,>=4", ">=4-arm64,<5-x86", ">=4,!<4.5"} {
		if _, err := ref.ParseTags(list); err != nil {
			t.Error(err)
		}
	}
}

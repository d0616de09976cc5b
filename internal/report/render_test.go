// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/internal/report"
)

const found = "sha256:906f3d4d5ba8722d1d2e584db24d986bf8dc56e7f672ddf038eb85a9781f5cbe"

var (
	present = report.Image{
		Verdict: report.Present, Host: "quay.io", Namespace: "org", Repository: "a/b", Tag: "1.0", Visibility: "public", State: "NORMAL",
		Digest: found, Size: 61_234_567, Started: time.Date(2025, 4, 2, 9, 0, 0, 0, time.FixedZone("", 7200)),
	}
	index = report.Image{
		Verdict: report.Present, Host: "quay.io", Namespace: "org", Repository: "idx", Tag: "1.0",
		Digest: found, Size: -1, Index: true, Expires: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	absent  = report.Image{Verdict: report.Absent, Host: "quay.io", Namespace: "org", Repository: "c", Tag: "1.0"}
	unknown = report.Image{
		Verdict: report.Unknown, Host: "quay.io", Namespace: "org", Repository: "d", Tag: "1.0",
		Reason: "gone_or_private", Error: "401: say \"please\", \x1b[2Jthen\nask",
	}
)

func rendered[R report.Record](t *testing.T, o report.Options, end report.Ending, records ...R) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Render(&b, slices.Values(records), end, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTablesAlign(t *testing.T) {
	tests := []struct {
		name string
		o    report.Options
		want string
	}{
		{"table", report.Options{Format: report.Table}, `
REPOSITORY  TAG  DIGEST               SIZE    STARTED
org/a/b     1.0  sha256:906f3d4d5ba8  61.2MB  2025-04-02T07:00:00Z
org/idx     1.0  sha256:906f3d4d5ba8  -       -
`},
		{"table with verdicts", report.Options{Format: report.Table, Verdicts: true}, `
VERDICT  REPOSITORY  TAG  DIGEST               SIZE    STARTED               REASON
present  org/a/b     1.0  sha256:906f3d4d5ba8  61.2MB  2025-04-02T07:00:00Z  -
present  org/idx     1.0  sha256:906f3d4d5ba8  -       -                     -
absent   org/c       1.0  -                    -       -                     -
unknown  org/d       1.0  -                    -       -                     gone or private
`},
		{"wide", report.Options{Format: report.Wide}, `
IMAGE                DIGEST                                                                   KIND   SIZE    STARTED               EXPIRES               VISIBILITY  STATE
quay.io/org/a/b:1.0  ` + found + `  image  61.2MB  2025-04-02T07:00:00Z  -                     public      NORMAL
quay.io/org/idx:1.0  ` + found + `  index  -       -                     2026-01-01T00:00:00Z  -           -
`},
		{"plain", report.Options{Format: report.Plain}, `
org/a/b  1.0  ` + found + `  61234567  2025-04-02T07:00:00Z
org/idx  1.0  ` + found + `  -         -
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			images := []report.Image{present, index}
			if test.o.Verdicts {
				images = append(images, absent, unknown)
			}
			got := rendered(t, test.o, report.Ending{}, images...)
			if diff := cmp.Diff(test.want[1:], got); diff != "" {
				t.Error(diff)
			}
		})
	}
	got := rendered(t, report.Options{Format: report.Plain}, report.Ending{},
		report.Repository{Namespace: "größe", Name: "a", State: "X"}, report.Repository{Namespace: "grosse", Name: "a", State: "X"})
	if want := "größe/a   -  X  -\ngrosse/a  -  X  -\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoRecordsIsNoTable(t *testing.T) {
	if got := rendered[report.Image](t, report.Options{Format: report.Table}, report.Ending{}); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestNamesForOtherTools(t *testing.T) {
	got := rendered(t, report.Options{Format: report.Refs}, report.Ending{}, present, absent, unknown)
	if want := "quay.io/org/a/b:1.0\n"; got != want {
		t.Errorf("refs: got %q, want %q", got, want)
	}
	got = rendered(t, report.Options{Format: report.Digests}, report.Ending{}, present, absent)
	if want := "quay.io/org/a/b@" + found + "\n"; got != want {
		t.Errorf("digests: got %q, want %q", got, want)
	}
	got = rendered(t, report.Options{Format: report.Refs}, report.Ending{}, report.Repository{Host: "quay.io", Namespace: "org", Name: "a/b"})
	if want := "quay.io/org/a/b\n"; got != want {
		t.Errorf("refs of repositories: got %q, want %q", got, want)
	}
}

func TestHostileTextReachesNoTerminal(t *testing.T) {
	hostile := report.Repository{Host: "quay.io", Namespace: "org", Name: "x\x1b[2J\r\n\u202e\u009b31m\xffy", State: "NORMAL\x07"}
	for _, f := range []report.Format{report.Table, report.Wide, report.Plain, report.Refs} {
		got := rendered(t, report.Options{Format: f}, report.Ending{}, hostile)
		if strings.ContainsAny(strings.ReplaceAll(got, "\n", ""), "\x1b\r\x07\u202e\u009b") || !utf8.ValidString(got) {
			t.Errorf("%s: %q", f, got)
		}
		if !strings.Contains(got, `x\x1b[2J\r\n\u202e\u009b31m\xffy`) {
			t.Errorf("%s does not show what was there: %q", f, got)
		}
		if lines := strings.Count(got, "\n"); lines > 2 {
			t.Errorf("%s: %d lines", f, lines)
		}
	}
}

func TestCSVIsRFC4180(t *testing.T) {
	got := rendered(t, report.Options{Format: report.CSV}, report.Ending{}, present, unknown)
	// A line break within a field becomes CR LF as well.
	if crlf, lf := strings.Count(got, "\r\n"), strings.Count(got, "\n"); crlf != 4 || lf != crlf {
		t.Errorf("%d of %d lines end in CR LF, want all 4", crlf, lf)
	}
	rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"verdict", "host", "namespace", "repository", "tag", "digest", "kind", "size", "started", "expires", "visibility", "state", "reason", "error"},
		{"present", "quay.io", "org", "a/b", "1.0", found, "image", "61234567", "2025-04-02T07:00:00Z", "", "public", "NORMAL", "", ""},
		{"unknown", "quay.io", "org", "d", "1.0", "", "", "", "", "", "", "", "gone_or_private", unknown.Error},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
}

func TestJSONIsOneDocument(t *testing.T) {
	got := rendered(t, report.Options{Format: report.JSON}, report.Ending{Error: "interrupted", Summary: map[string]int{"n": 2}}, present, unknown, index)
	var doc struct {
		Complete bool
		Error    string
		Results  []map[string]any
		Summary  map[string]int
	}
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	if doc.Complete || doc.Error != "interrupted" || doc.Summary["n"] != 2 || len(doc.Results) != 3 || doc.Results[2]["size"] != nil {
		t.Errorf("got %s", got)
	}
	want := map[string]any{
		"kind": "image", "verdict": "present", "reference": "quay.io/org/a/b:1.0", "host": "quay.io", "namespace": "org",
		"repository": "a/b", "tag": "1.0", "digest": found, "index": false, "size": 61234567.0, "started": "2025-04-02T07:00:00Z",
		"expires": nil, "visibility": "public", "state": "NORMAL", "reason": nil, "error": nil,
	}
	if diff := cmp.Diff(want, doc.Results[0]); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{"digest", "index", "size", "started", "expires", "visibility", "state"} {
		if value, there := doc.Results[1][key]; !there || value != nil {
			t.Errorf("unknown image: %s is %v, and should be null", key, value)
		}
	}
}

func TestNDJSONEndsWithTheSummary(t *testing.T) {
	got := rendered(t, report.Options{Format: report.NDJSON}, report.Ending{Complete: true, Summary: map[string]int{"n": 1}}, present)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), got)
	}
	if want := `{"kind":"summary","complete":true,"error":null,"summary":{"n":1}}`; lines[1] != want {
		t.Errorf("got %s, want %s", lines[1], want)
	}
}

func TestTemplateIsTriedBeforeUse(t *testing.T) {
	for _, text := range []string{"{{", "{{.Nope}}", "{{nope}}", "{{.Size.Nope}}", "{{slice .Digest 7 99}}"} {
		if _, err := report.ParseTemplate[report.Image](text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	parsed, err := report.ParseTemplate[report.Image](`{{.Repository}} {{.Started.Year}} {{.Pinned}} {{slice .Digest 7 10}}`)
	if err != nil {
		t.Fatal(err)
	}
	got := rendered(t, report.Options{Format: report.Template, Template: parsed}, report.Ending{}, present)
	if want := "a/b 2025 quay.io/org/a/b@" + found + " 906\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTextStaysReadableInJSON(t *testing.T) {
	got := rendered(t, report.Options{Format: report.NDJSON}, report.Ending{Error: "<a> & b"}, report.Image{Error: "<a> & b"})
	if n := strings.Count(got, `"error":"<a> & b"`); n != 2 {
		t.Errorf("got %s", got)
	}
}

// Characters that a terminal may act upon are escaped, and parse back unchanged.
func TestHostileTextInJSON(t *testing.T) {
	const hostile = "x\x1b[2J\u009b31m\u202e\u200b\x7f\U000e0001 größer \u4e2d"
	got := rendered(t, report.Options{Format: report.NDJSON}, report.Ending{}, report.Image{Error: hostile})
	if strings.ContainsAny(got, "\x1b\u009b\u202e\u200b\x7f\U000e0001") || !strings.Contains(got, "größer \u4e2d") {
		t.Errorf("got %q", got)
	}
	var image struct{ Error string }
	if err := json.Unmarshal([]byte(strings.Split(got, "\n")[0]), &image); err != nil || image.Error != hostile {
		t.Errorf("reads back as %q, %v", image.Error, err)
	}
}

func TestSummaryAddsUp(t *testing.T) {
	one := report.Search{Pattern: "p", Host: "h", Token: report.TokenNone, Counts: report.Counts{
		Listed: 1, Pruned: map[string]int{"nested": 1, "no_live_tag": 2}, Candidates: 2, Checked: 3, Present: 4, Absent: 5, Unknown: 6,
		Requests: report.Requests{Total: 7, WithToken: 8, WithoutToken: 9, Refused: 10, Retries: 11}, Elapsed: report.Elapsed(1500 * time.Millisecond)}}
	want := report.Counts{
		Listed: 2, Pruned: map[string]int{"nested": 2, "no_live_tag": 4}, Candidates: 4, Checked: 6, Present: 8, Absent: 10, Unknown: 12,
		Requests: report.Requests{Total: 14, WithToken: 16, WithoutToken: 18, Refused: 20, Retries: 22}} // searches overlap: their times do not add up
	s := report.NewSummary()
	s.Add(one)
	s.Add(one)
	if diff := cmp.Diff(want, s.Counts); diff != "" {
		t.Error(diff)
	}
	const lines = `p on h: 1 listed, left out 1 (nested), 2 (no live tag), 3 checked, in 1.5s
4 present, 5 absent, 6 unknown: not finished
requests: 7, with the token: 8, without: 9, refused with 429: 10, repeated: 11; token: none
HTTP/2.0, connections: 4, learned limit: about 12.5 requests a second`
	one.Pace = report.Pace{Protocol: "HTTP/2.0", Connections: 4, Limit: "learned", Rate: 12.5}
	if diff := cmp.Diff(lines, one.String()); diff != "" {
		t.Error(diff)
	}
	for rate, want := range map[float64]string{1000: "about 1000 r", 1234.5: "about 1230 r", 198.4: "about 198 r", 0.25: "about 0.25 r"} {
		if text := (report.Pace{Protocol: "HTTP/2.0", Limit: "chosen", Rate: rate}).String(); !strings.Contains(text, want) {
			t.Errorf("%v requests a second: %s", rate, text)
		}
	}
	one.Finished = true
	if text := one.String(); strings.Contains(text, "not finished") {
		t.Error(text)
	}
}

// A table fits the terminal: names are cut last.
func TestTablesFitTheTerminal(t *testing.T) {
	long := present
	long.Namespace, long.Repository, long.Tag = "openstack.kolla", "nova-compute-ironic-agent", "2025.1-ubuntu-noble"
	for _, ellipsis := range []string{"…", "..."} {
		for width := 24; width < 140; width++ {
			got := rendered(t, report.Options{Format: report.Table, Width: width, Ellipsis: ellipsis, Verdicts: true}, report.Ending{}, long, unknown)
			for line := range strings.Lines(got) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("width %d: %d in %q", width, n, line)
				}
			}
			if width >= 92 && !strings.Contains(got, "gone or private") {
				t.Errorf("width %d does not say why:\n%s", width, got)
			}
			if width >= 100 && (!strings.Contains(got, long.Repository) || !strings.Contains(got, long.Tag)) {
				t.Errorf("width %d cuts names:\n%s", width, got)
			}
		}
	}
	for _, format := range []report.Format{report.Plain, report.Wide} {
		if got := rendered(t, report.Options{Format: format, Width: 40}, report.Ending{}, long); !strings.Contains(got, long.Digest.String()) {
			t.Errorf("%s is cut: %q", format, got)
		}
	}
}

func TestDigestsAreUnique(t *testing.T) {
	again := present
	again.Tag = "latest"
	got := rendered(t, report.Options{Format: report.Digests}, report.Ending{}, present, again, absent)
	if want := "quay.io/org/a/b@" + found + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSummaryInOneLine(t *testing.T) {
	c := report.Counts{Listed: 42, Checked: 10, Present: 9, Absent: 1, Elapsed: report.Elapsed(320 * time.Millisecond)}
	if got, want := c.Line(true), "42 listed, 10 checked: 9 present, 1 absent in 0.3 s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c = report.Counts{Checked: 2, Present: 1, Absent: 1, Unlabelled: 1, Unknown: 3, Elapsed: report.Elapsed(75 * time.Second)}
	if got, want := c.Line(false), "2 checked: 1 present, 1 absent (1 without the label), 3 unknown in 75 s, not finished"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c = report.Counts{Listed: 5, Elapsed: report.Elapsed(150 * time.Second)}
	if got, want := c.Line(true), "5 listed: 0 present in 2m30s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

type failing struct{ after int }

var errFull = errors.New("no space left")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsAreReported(t *testing.T) {
	parsed, err := report.ParseTemplate[report.Image]("{{.Tag}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(report.Formats[report.Image](), string(report.Template)) {
		for _, after := range []int{0, 30} {
			many := slices.Repeat([]report.Image{present}, 2000)
			err := report.Render(&failing{after}, slices.Values(many), report.Ending{}, report.Options{Format: report.Format(f), Template: parsed})
			if !errors.Is(err, errFull) {
				t.Errorf("%s after %d bytes: got %v", f, after, err)
			}
		}
	}
}

func TestSizesForPeople(t *testing.T) {
	for size, want := range map[int64]string{
		0: "0B", 999: "999B", 1000: "1.0kB", 999_949: "999.9kB", 999_950: "1.0MB", 1_500_000_000: "1.5GB", 9_223_372_036_854_775_807: "9.2EB",
	} {
		i := present
		i.Size = size
		got := rendered(t, report.Options{Format: report.Table}, report.Ending{}, i)
		if !strings.Contains(got, " "+want+" ") {
			t.Errorf("%d: want %s in %q", size, want, got)
		}
	}
}

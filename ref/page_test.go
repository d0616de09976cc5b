// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/ref"
)

const page = "../doc/guide/patterns.md"

// pageChecks has the check of one row for every table of the page, by the
// table's header.
var pageChecks = map[string]func(t *testing.T, cells []cell){
	"Pattern|Host|Organization|Repositories|Tags|Since": checkParts,
	"Repositories|Means|Does not mean":                  checkRepositories,
	"Tags|Means|Does not mean":                          checkTags,
	"Pattern|Names the images|Names the repositories":   checkNames,
	"Glob|Name|quayside|fnmatch":                        checkAcross,
	"Since|At 2025-03-15T12:00:00Z it is":               checkSince,
	"Reference|Host|Organization|Repository|Tag|Digest": checkReference,
	"Pattern|Points at|Because":                         checkRefused,
}

// The page of patterns cannot lie: every row of every table is tried.
func TestPageTables(t *testing.T) {
	rows := map[string]int{}
	header, fresh := "", false
	for _, line := range readPage(t) {
		switch {
		case !strings.HasPrefix(line, "|"):
			header, fresh = "", false
		case header == "":
			header, fresh = strings.Join(plain(splitRow(line)), "|"), true
			if pageChecks[header] == nil {
				t.Errorf("no check for the table %q", header)
			}
		case fresh:
			fresh = false // the line of dashes
		default:
			rows[header]++
			t.Run(line, func(t *testing.T) { pageChecks[header](t, splitRow(line)) })
		}
	}
	for header := range pageChecks {
		if rows[header] < 5 {
			t.Errorf("only %d rows under %q", rows[header], header)
		}
	}
}

// The commands of the page hold patterns that parse, and its picture of an
// error is what the error shows.
func TestPageExamples(t *testing.T) {
	text := strings.Join(readPage(t), "\n")
	commands := regexp.MustCompile(`(?m)^quayside find '(.*)'$`).FindAllStringSubmatch(text, -1)
	if len(commands) < 3 {
		t.Errorf("%d commands, want 3 or more", len(commands))
	}
	for _, command := range commands {
		if _, err := ref.ParsePattern(command[1]); err != nil {
			t.Error(err)
		}
	}
	_, err := ref.ParsePattern("quay.io/kolla/Nova-api:2025.1")
	if err == nil || !strings.Contains(text, "\n"+err.Error()+"\n") {
		t.Errorf("the page does not show this error:\n%v", err)
	}
}

func readPage(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// cell is one cell of a table: its text, and what is in backquotes.
type cell struct {
	text   string
	quoted []string
}

var backquoted = regexp.MustCompile("`([^`]*)`")

func splitRow(line string) []cell {
	var cells []cell
	for text := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		c := cell{text: strings.TrimSpace(text)}
		for _, m := range backquoted.FindAllStringSubmatch(text, -1) {
			c.quoted = append(c.quoted, m[1])
		}
		cells = append(cells, c)
	}
	return cells
}

func plain(cells []cell) []string {
	var out []string
	for _, c := range cells {
		out = append(out, c.text)
	}
	return out
}

// one returns the only quoted text of a cell, or "".
func (c cell) one(t *testing.T) string {
	t.Helper()
	switch len(c.quoted) {
	case 0:
		if c.text != "" {
			t.Fatalf("the cell %q has nothing in backquotes", c.text)
		}
		return ""
	case 1:
		return c.quoted[0]
	}
	t.Fatalf("the cell %q has several texts", c.text)
	return ""
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func checkParts(t *testing.T, cells []cell) {
	p, err := ref.ParsePattern(cells[0].one(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "host", p.Host, cells[1].one(t))
	same(t, "organization", p.Namespace, cells[2].one(t))
	same(t, "repositories", p.Repositories.String(), cells[3].one(t))
	same(t, "tags", p.Tags.String(), cells[4].one(t))
	same(t, "since", p.Since.String(), cells[5].one(t))
}

func checkRepositories(t *testing.T, cells []cell) {
	r, err := ref.ParseRepositories(cells[0].one(t))
	if err != nil {
		t.Fatal(err)
	}
	checkMatches(t, r.Match, cells)
}

func checkTags(t *testing.T, cells []cell) {
	tags, err := ref.ParseTags(cells[0].one(t))
	if err != nil {
		t.Fatal(err)
	}
	checkMatches(t, tags.Match, cells)
	for _, tag := range cells[1].quoted {
		if !strings.Contains(tag, tags.Literal()) {
			t.Errorf("%q matches without the literal %q", tag, tags.Literal())
		}
	}
}

func checkMatches(t *testing.T, match func(string) bool, cells []cell) {
	t.Helper()
	if len(cells[1].quoted) == 0 {
		t.Error("the row shows no match")
	}
	for _, name := range cells[1].quoted {
		if !match(name) {
			t.Errorf("%q does not match, and should", name)
		}
	}
	for _, name := range cells[2].quoted {
		if match(name) {
			t.Errorf("%q matches, and should not", name)
		}
	}
}

func checkAcross(t *testing.T, cells []cell) {
	r, err := ref.ParseRepositories(cells[0].one(t))
	if err != nil {
		t.Fatal(err)
	}
	name := cells[1].one(t)
	answer := map[bool]string{true: "yes", false: "no"}
	same(t, "Match", answer[r.Match(name)], cells[2].text)
	same(t, "MatchAcross", answer[r.MatchAcross(name)], cells[3].text)
}

func checkSince(t *testing.T, cells []cell) {
	since, err := ref.ParseSince(cells[0].one(t))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2025, 3, 15, 12, 0, 0, 0, time.UTC)
	same(t, "the time", since.Time(now).Format(time.RFC3339), cells[1].one(t))
}

func checkReference(t *testing.T, cells []cell) {
	i, err := ref.ParseImage(cells[0].one(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "host", i.Host, cells[1].one(t))
	same(t, "organization", i.Namespace, cells[2].one(t))
	same(t, "repository", i.Repository, cells[3].one(t))
	same(t, "tag", i.Tag, cells[4].one(t))
	same(t, "digest", i.Digest.String(), cells[5].one(t))
}

func checkRefused(t *testing.T, cells []cell) {
	_, err := ref.ParsePattern(cells[0].one(t))
	var syntax *ref.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("the error is %v, want a *SyntaxError", err)
	}
	same(t, "the place", syntax.Input[syntax.Offset:], cells[1].one(t))
	if !strings.Contains(syntax.Msg, cells[2].text) {
		t.Errorf("the message is %q, want it to say %q", syntax.Msg, cells[2].text)
	}
}

func checkNames(t *testing.T, cells []cell) {
	p, err := ref.ParsePattern(cells[0].quoted[0])
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, repository := range p.Repositories.Names() {
		for _, tag := range p.Tags.Names() {
			images = append(images, repository+":"+tag)
		}
	}
	same(t, "images", strings.Join(images, " "), strings.Join(cells[1].quoted, " "))
	same(t, "repositories", strings.Join(p.Repositories.Names(), " "), strings.Join(cells[2].quoted, " "))
}

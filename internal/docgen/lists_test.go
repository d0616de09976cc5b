// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/cli"
	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
)

// firstColumn returns the words in code quotes in the first column of the table that begins
// with a header.
func firstColumn(t *testing.T, file, header string) (words []string) {
	t.Helper()
	text, err := os.ReadFile("../../doc/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), header)
	if !found {
		t.Fatalf("%s has no table that begins with %q", file, header)
	}
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			if len(words) > 0 || strings.TrimSpace(line) != "" {
				break
			}
			continue
		}
		cell := strings.Split(line, "|")[1]
		for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			if word[1] != "-v" { // when a kind of line is written
				words = append(words, word[1])
			}
		}
	}
	return words
}

// What the program declares once, the documents list in full.
func TestDocumentsListWhatIsDeclared(t *testing.T) {
	var keys []string
	for field := range reflect.TypeFor[session.ConfigServer]().Fields() {
		keys = append(keys, field.Tag.Get("yaml"))
	}
	var kinds []string
	for _, k := range console.Kinds() {
		kinds = append(kinds, string(k))
	}
	for _, test := range []struct {
		file, header string
		want         []string
	}{
		{"guide/output.md", "| format | what it is | when it is written |\n", append(report.Formats[report.Image](), "--template TEXT")},
		{"guide/output.md", "| kind | more fields |\n", kinds},
		{"guide/configuration.md", "| key of a server | meaning |\n", keys},
	} {
		got := firstColumn(t, test.file, test.header)
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("doc/%s lists %q, and the program has %q", test.file, got, test.want)
		}
	}
}

// The documents that describe exit codes use only codes that exist, and all of them together.
func TestDocumentsListTheExitCodes(t *testing.T) {
	number := regexp.MustCompile(`(?m)^ +([0-9]+)  \S`)
	codes := map[string]bool{}
	for _, match := range number.FindAllStringSubmatch(cli.ExitCodes(), -1) {
		codes[match[1]] = true
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range codes {
		if !regexp.MustCompile(`\b` + code + `\b`).Match(readme) {
			t.Errorf("README.md does not mention the exit code %s", code)
		}
	}
	text, err := os.ReadFile("../../doc/guide/copying.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^\| ([0-9]+) \| `).FindAllStringSubmatch(string(text), -1) {
		if !codes[match[1]] {
			t.Errorf("doc/guide/copying.md describes the exit code %s, which does not exist", match[1])
		}
	}
}

// The guide describes every JSON key of a record.
func TestDocumentsDescribeTheKeysOfRecords(t *testing.T) {
	page, err := os.ReadFile("../../doc/guide/output.md")
	if err != nil {
		t.Fatal(err)
	}
	for kind, record := range map[string]any{"image": report.Image{}, "repository": report.Repository{}, "tag": report.Tag{}} {
		_, section, found := strings.Cut(string(page), "### `\"kind\": \""+kind+"\"`")
		section, _, _ = strings.Cut(section, "\n### ")
		text, err := json.Marshal(record)
		if err != nil || !found {
			t.Fatal(kind, err)
		}
		var keys map[string]any
		if err := json.Unmarshal(text, &keys); err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			if key != "kind" && !strings.Contains(section, "`"+key+"`") {
				t.Errorf("doc/guide/output.md does not describe %q of the kind %s", key, kind)
			}
		}
	}
}

// The guide and the README mention only flags that exist.
func TestDocumentsMentionFlagsThatExist(t *testing.T) {
	known := map[string]bool{"help": true}
	for _, c := range commands() {
		for _, usages := range []string{c.LocalFlags().FlagUsages(), c.InheritedFlags().FlagUsages()} {
			for _, match := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(usages, -1) {
				known[match[1]] = true
			}
		}
	}
	pages, err := filepath.Glob("../../doc/guide/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile("`--([a-z][a-z-]*)").FindAllStringSubmatch(string(text), -1) {
			if !known[match[1]] {
				t.Errorf("%s mentions --%s, which is no flag", page, match[1])
			}
		}
	}
}

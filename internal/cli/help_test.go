// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"html"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/cli"
	"github.com/quayside/quayside/quay/quaytest"
)

// everyCommand lists the commands beneath one, in order, and then itself.
func everyCommand(c *cobra.Command) (all []*cobra.Command) {
	for _, child := range c.Commands() {
		all = append(all, everyCommand(child)...)
	}
	return append(all, c)
}

func TestEveryHelpTextIsWhole(t *testing.T) {
	for _, c := range everyCommand(cli.Command()) {
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if code := command(t.Context(), &stdout, &stderr, nil, args...); code != 0 || stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, stderr %q", args, code, &stderr)
		}
		for _, part := range []string{"\nUsage:\n", "\nExamples:\n", "\nExit codes:\n" + cli.ExitCodes() + "\n"} {
			if !strings.Contains(stdout.String(), part) {
				t.Errorf("%v has no %q", args, part)
			}
		}
		for line := range strings.Lines(stdout.String()) {
			if len(strings.TrimSuffix(line, "\n")) > 80 {
				t.Errorf("%v: a line is too long for a terminal: %q", args, line)
			}
		}
	}
}

// kolla holds what the examples of the help texts ask for.
func kolla() *quaytest.Dataset {
	d := quaytest.Release(2, quaytest.ReleaseOptions{Namespace: "openstack.kolla", Base: 4096, Group: 4096, Own: 4096})
	names := strings.NewReplacer("image-000000", "nova-api", "image-000001", "neutron-server")
	for i := range d.Repositories {
		r := &d.Repositories[i]
		r.Name = names.Replace(r.Name)
		r.Tags[0].Start = time.UnixMilli(1780102801123)
	}
	for i := range d.Manifests {
		d.Manifests[i].Repository = names.Replace(d.Manifests[i].Repository)
	}
	for i := range d.Blobs {
		d.Blobs[i].Repository = names.Replace(d.Blobs[i].Repository)
	}
	return d
}

// Every example of the help texts and the README runs, against a server that stands for the hosts they name.
func TestExamplesRun(t *testing.T) {
	s, err := quaytest.NewServer(kolla())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	config := writeFile(t, "config.yaml", "servers:\n  quay.io: {url: "+s.URL()+"}\n  registry.example:8443: {url: "+s.URL()+"}\n")

	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, uses, found := strings.Cut(string(readme), "## Five uses")
	if !found {
		t.Fatal("README.md has no section of five uses")
	}
	examples := strings.Split(uses, "```")[1]
	for _, c := range everyCommand(cli.Command()) {
		examples += c.Example + "\n"
	}
	examples = strings.ReplaceAll(examples, " \\\n", " ")
	t.Chdir(t.TempDir()) // for what is copied
	ran := 0
	for line := range strings.Lines(examples) {
		command, found := strings.CutPrefix(strings.TrimSpace(line), "quayside ")
		if !found || strings.Contains(command, "--serve") || strings.Contains(command, "docker://registry.example") {
			continue
		}
		ran++
		var stdout, stderr bytes.Buffer
		args := append(words(t, command), "--config", config)
		code := cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr, environment(nil))
		if code != 0 || stdout.Len() == 0 {
			t.Errorf("%s: exit code %d\n%s%s", line, code, &stdout, &stderr)
		}
	}
	if ran < 25 {
		t.Errorf("only %d examples", ran)
	}
}

// words splits a line as a shell does, as far as the examples go.
func words(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		if strings.ContainsAny(part, "|<>$\"\\;&*?") {
			t.Fatalf("%q needs a real shell, or quotes", line)
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// The picture of the README shows what the demo prints.
func TestPictureIsTrue(t *testing.T) {
	picture, err := os.ReadFile("../../doc/terminal.svg")
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	if code := command(t.Context(), &stdout, io.Discard, nil, "demo"); code != 0 {
		t.Fatalf("demo: exit code %d", code)
	}
	varies := regexp.MustCompile(`127\.0\.0\.1:\d+|in [\d.]+ ?[mµ]?s`)
	printed := strings.Split(varies.ReplaceAllString(stdout.String(), "..."), "\n")
	lines := regexp.MustCompile(`(?s)<text .*?</text>`).FindAllString(string(picture), -1)
	for _, line := range lines {
		text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(line, ""))
		if !slices.Contains(printed, varies.ReplaceAllString(text, "...")) {
			t.Errorf("the demo does not print %q", text)
		}
	}
	if len(lines) < 10 {
		t.Errorf("%d lines in the picture", len(lines))
	}
}

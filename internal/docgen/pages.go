// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/quayside/quayside/internal/cli"
)

// commands returns the command and its subcommands, without help.
func commands() []*cobra.Command { return withChildren(cli.Command()) }

// withChildren lists a command and those beneath it.
func withChildren(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			all = append(all, withChildren(child)...)
		}
	}
	return all
}

// commandsPage is doc/guide/commands.md.
func commandsPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Commands\n\nThis page is generated from the help texts: `go run ./internal/docgen` writes it." +
		" What the commands print is in [output.md](output.md), the config file in [configuration.md](configuration.md).\n")
	block := func(title, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			fmt.Fprintf(&b, "\n%s\n\n```\n%s\n```\n", title, text)
		}
	}
	for _, c := range commands() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
		usage := c.UseLine()
		if c.HasAvailableSubCommands() {
			usage = c.CommandPath() + " COMMAND [flags]"
		}
		block("Usage:", usage+"\n\n"+c.Long)
		block("Examples:", c.Example)
		if c.HasParent() {
			block("Flags:", c.NonInheritedFlags().FlagUsages())
		}
	}
	b.WriteString("\n## Flags of every command\n")
	block("They may stand before or after the command.", commands()[0].PersistentFlags().FlagUsages())
	b.WriteString("\n## Exit codes\n")
	block("They are the same for every command.", cli.ExitCodes())
	return b.Bytes()
}

// manualPages returns the manual page of every command by its file name. The pages have no
// date, so that they change with the texts only.
func manualPages() (map[string][]byte, error) {
	date := regexp.MustCompile(`(?m)^(\.TH "[^"]*" "1") "[^"]*"`)
	pages := map[string][]byte{}
	for _, c := range commands() {
		c.DisableAutoGenTag = true
		c.Long = plain(c.Long) + "\n\nExit codes:\n\n" + indent(cli.ExitCodes())
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "quayside", Manual: "quayside manual"}
		var b bytes.Buffer
		if err := doc.GenMan(c, header, &b); err != nil {
			return nil, fmt.Errorf("manual page of %s: %w", c.CommandPath(), err)
		}
		pages[name+".1"] = date.ReplaceAll(b.Bytes(), []byte(`$1 ""`))
	}
	return pages, nil
}

// plain escapes the characters of Markdown, from which manual pages are made. Indented lines
// are code, where Markdown has no marks.
func plain(text string) string {
	escape := strings.NewReplacer("*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "    ") {
			lines[i] = escape.Replace(line)
		}
	}
	return strings.Join(lines, "\n")
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}

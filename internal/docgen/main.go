// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Docgen writes the documents that describe the command line: doc/guide/commands.md
// and the manual pages in doc/man. With -check it writes nothing, and fails
// when a document is not what it would write.
//
// It is a separate program: the command does not link what it needs. Run it in the root of the tree:
//
//	go run ./internal/docgen
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stderr))
}

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("docgen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "fail when a document is out of date, and write nothing")
	folder := flags.String("doc", "doc", "folder of the documents")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	documents, err := generate()
	if err == nil && *check {
		err = compare(*folder, documents)
	} else if err == nil {
		err = write(*folder, documents)
	}
	if err != nil {
		fmt.Fprintln(stderr, "docgen:", err)
		return 1
	}
	return 0
}

// generate returns the text of every document by its path in the folder.
func generate() (map[string][]byte, error) {
	documents := map[string][]byte{filepath.Join("guide", "commands.md"): commandsPage()}
	pages, err := manualPages()
	if err != nil {
		return nil, err
	}
	for name, text := range pages {
		documents[filepath.Join("man", name)] = text
	}
	return documents, nil
}

func compare(folder string, documents map[string][]byte) error {
	var stale []string
	for name, text := range documents {
		have, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(have, text) {
			stale = append(stale, filepath.Join(folder, name))
		}
	}
	pages, err := filepath.Glob(filepath.Join(folder, "man", "*"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		name, err := filepath.Rel(folder, page)
		if _, wanted := documents[name]; err != nil || !wanted {
			stale = append(stale, page+" (of no command)")
		}
	}
	if len(stale) > 0 {
		slices.Sort(stale)
		return fmt.Errorf("out of date: %q: run go run ./internal/docgen", stale)
	}
	return nil
}

func write(folder string, documents map[string][]byte) error {
	if err := os.RemoveAll(filepath.Join(folder, "man")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, "man"), 0o755); err != nil {
		return err
	}
	for name, text := range documents {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

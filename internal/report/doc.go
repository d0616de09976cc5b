// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report renders what a command found: tables for people, and JSON,
// newline-delimited JSON, CSV, references, digests and templates for programs.
//
// A record is one line of an answer: an [Image] (the verdict on one tag of one
// repository), a [Repository] or a [Tag]. They are plain values: the package
// knows neither the client that fetched them nor the search that chose them.
// [Render] writes a finished answer, [Write] one record after the other while
// the answer is still growing, and [Images] keeps many verdicts small and in
// order until they are rendered. doc/guide/output.md is the schema of every format.
//
// What a server said is never trusted with a terminal: [Clean] makes control
// characters visible, and every format for people goes through it.
package report

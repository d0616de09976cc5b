// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report renders the answers of all commands: tables for people, and JSON,
// newline-delimited JSON, CSV, references, digests and templates for programs.
//
// A record is a line of an answer: an [Image] (the verdict on a tag of a repository), a
// [Repository] or a [Tag]. [Render] writes a finished answer and [Write] a record while the
// answer still grows; [Images] keeps many verdicts small until they are rendered. A
// [Document] is an answer of another shape, such as [Plan] or [Verification]. All of them are
// plain values: the package knows neither the client that fetched them nor the search.
//
//   - format.go: the formats. record.go: the columns and JSON keys of each record.
//   - render.go, json.go: records in each format. table.go, fit.go: aligned columns.
//   - document.go: documents. copy.go, info.go, layout.go: those of the commands.
//   - summary.go, traffic.go: counts, costs and reasons.
//
// The page doc/guide/output.md is the schema of every format. What a server said cannot
// control a terminal: formats for people show control characters as escapes.
package report

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package discover finds the images of a namespace that carry a tag.
//
//	client, err := quay.New()
//	pattern, err := ref.ParsePattern("quay.io/openstack.kolla/nova-*:2025.1")
//	results, summary, err := discover.Collect(ctx, client, pattern, discover.Options{})
//	if err != nil {
//		return err // such as a misspelt organization or an unknown token
//	}
//	if !summary.Complete {
//		... // some result is Unknown, or a named image does not exist
//	}
//
// A run lists the namespace of a [ref.Pattern], leaves out the repositories that the
// listing already answers, looks up the tags of the others, and yields a [Result] for
// each answer. Listing and lookups overlap, and lookups run concurrently. Memory does
// not grow with the namespace.
//
// # Overview
//
//   - [Resolve] makes a [Run], which streams results; [Collect] returns all of them
//     sorted: resolve.go. The goroutines of a run: run.go.
//   - [Finder] sends the requests, and the token only where it is needed: finder.go,
//     policy.go.
//   - [Result], [Verdict], [Reason]: result.go. [Summary]: summary.go.
//   - What needs no request: prune.go. The lookups in one repository: check.go. Why
//     nothing was found: explain.go.
//
// Package ref parses patterns, and package quay is the client. This package knows no
// command line, disk or output format. doc/discovery.md explains it to users.
//
// # Guarantees
//
//   - Trouble with a repository is its own Unknown result with a [Reason]. A run ends
//     early only if the context ends, the pattern is invalid, the server has no
//     listing, or the listing breaks off.
//   - Summary.Complete is true only if every listed repository was checked or left
//     out for a counted reason, no result is Unknown, and every image that the pattern
//     names exists.
//   - A repository or tag that the pattern names always has a result. If the listing
//     lacks a named repository, the run asks for it by name.
//   - All goroutines have ended when the loop over Run.Results ends.
//
// # Compatibility
//
// The package follows semantic versioning together with its module. A minor version
// may add functions, methods, fields of structs and reasons. It changes the meaning of
// nothing that is there, and no code of a [Verdict], [Reason], [Answer] or
// [NamespaceStatus]. Texts, such as hints and errors, may change.
package discover

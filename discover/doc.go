// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package discover answers which repositories of a namespace carry a tag.
//
// A run takes a ref.Pattern and a Catalog, lists the namespace, leaves out
// what the listing already answers, asks one question about each repository
// that is left, and streams a Result for each answer:
//
//	list  ->  prune  ->  check  ->  Result
//
// Listing and checking overlap, checks run side by side within a bound, and
// nothing is kept of a repository once its results are out, so memory does not
// grow with the namespace.
//
// The map of the package:
//
//   - catalog.go: Catalog, what a registry must answer, and its small types.
//   - quay.go, policy.go: QuayCatalog, a Catalog over a *quay.Client. It sends
//     the token only where it is needed.
//   - resolve.go: Resolve, Run and Collect. run.go: the goroutines of a run.
//   - prune.go: what costs no request. check.go: one repository's questions.
//   - result.go: Result, Verdict, Reason. summary.go: what a run says at its
//     end. explain.go: why there was nothing to see.
//
// Its neighbours: ref parses patterns, quay speaks to the server. This package
// knows no command line, no disk and no output format.
//
// It keeps these promises:
//
//   - A repository's trouble is its own Result, Unknown with a Reason. Only
//     what concerns the whole run ends it: the context, an invalid pattern, a
//     server without a listing, a listing that broke off.
//   - Summary.Complete is true only when everything listed was checked or left
//     out for a counted reason, nothing is Unknown, and every image that the
//     pattern spells out is there.
//   - A repository or tag that the pattern names is never silent: what the listing
//     lacks is asked for by name.
//   - Every goroutine has ended when Run.Results returns, however it returns.
//
// The page doc/discovery.md tells the same story for users.
package discover

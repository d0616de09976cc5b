// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror copies images: it examines them, fetches each blob once, and commits
// an image when all of its blobs are staged.
//
// A Copier reads images from a sequence that may still be growing, because discovery
// continues meanwhile. It copies them to a destination.Destination: a layout, an archive
// or a registry. Every destination stages fetched blobs in a layout.Layout first.
//
//	examine -> fetch -> complete -> commit
//	    \-> find referrers -^
//
// Examining reads manifests, fetching writes blobs into partial files, completing
// waits for the disk and puts a blob to the destination, committing stores the image.
// They overlap: nothing waits until all images are examined.
//
// The files of the package:
//
//   - image.go, option.go, platform.go, event.go: input. report.go, report_json.go,
//     progress.go: results.
//   - copier.go, copying.go: Copier, Copy, and the goroutines of a run.
//   - scheduler.go, blob.go, room.go, nameconflict.go: who waits for what. queue.go,
//     hostqueues.go, permit.go: in which order, and how many at once.
//   - examine.go, walk.go, cache.go, rewrite.go, config.go: what an image consists of,
//     and which of its platforms were chosen. referrers.go: its signatures.
//   - fetch.go, complete.go, commit.go: the rest of the way. fault.go: what an error
//     means for a request, an image, or the run. source.go: where images come from.
//   - plan.go: a dry run, which shares the examination. inspect.go: one image, for people.
//
// Its neighbours: registry sends requests to servers, layout stores files, manifest parses
// manifests, destination stores images. The transport (pace) repeats requests. It does not
// see a body that breaks off; this package resumes such a body.
//
// Guarantees:
//
//   - Each blob is fetched once, however many images need it. A fetch that breaks off is
//     resumed. A blob that the destination has is not fetched.
//   - An unchanged image costs no request if its digest is known and the destination has
//     a record of all its referrers.
//   - An image is reported as copied once the destination has it. For an archive, this is
//     after the archive is written.
//   - An error with one image fails that image. Only the context, a disk, or a
//     destination that cannot be finished ends the run.
//   - What a server sends is bounded (depth and number of manifests, sizes, referrers),
//     and used only if it matches its digest.
//   - No goroutine is left when Copy and Plan return.
//
// doc/guide/copying.md describes copying for users, and doc/adr/0011-one-staging-layout.md
// explains the staging layout.
package mirror

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror copies images: it examines them, fetches each blob once, and commits
// an image when all of its blobs are staged.
//
// A Copier takes images from a sequence that may still be growing, because discovery
// goes on meanwhile, and copies them to a destination.Destination: a layout, an archive
// or a registry. All of them stage what is fetched in a layout.Layout first.
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
// Its neighbours: registry speaks to servers, layout keeps files, manifest parses them,
// destination stores images. The transport (pace) repeats requests. A body that breaks
// off, which the transport does not see, is resumed here.
//
// Guarantees:
//
//   - Each blob is fetched once, however many images need it, and resumed where it broke
//     off. A blob that the destination has is not fetched.
//   - An unchanged image costs no request if its digest is known and the destination has
//     a record of all its referrers.
//   - An image is reported as copied when the destination has it. An archive has it when
//     the archive is written.
//   - Trouble with one image fails that image. Only the context, a disk, or a
//     destination that cannot be finished ends the run.
//   - What a server sends is bounded (depth and number of manifests, sizes, referrers),
//     and used only if it matches its digest.
//   - No goroutine is left when Copy and Plan return.
//
// doc/guide/copying.md describes copying for users, and doc/adr/0011-one-staging-layout.md
// explains the staging layout.
package mirror

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror brings images here: it plans, fetches each blob once, and
// commits an image when all of it is in.
//
// A Copier takes images from a sequence that may still be growing, for discovery
// goes on meanwhile, and a Destination: a layout, an archive or a registry. All
// of them stage what is fetched in a layout.Layout first.
//
//	look  ->  fetch  ->  settle  ->  commit
//	   \-> look around -^
//
// Looking reads manifests, fetching brings blobs into partial files, settling
// waits for the disk and gives the blob to the destination, committing makes the
// image be there. They overlap: nothing waits for the end of planning.
//
// The map of the package:
//
//   - image.go, option.go, platform.go, event.go: what goes in. report.go,
//     report_json.go, progress.go: what comes out.
//   - copier.go, copying.go: Copier, Copy and the goroutines of a run.
//   - ledger.go, blob.go, queue.go: who waits for what. The one place where the
//     goroutines meet. room.go: which images the disk has room for.
//   - look.go, walk.go, shelf.go, rewrite.go, config.go: what an image is made
//     of, and which of it was chosen. attach.go: what is attached to it;
//     record.go, record_file.go: what a destination records of that.
//   - fetch.go, turn.go, settle.go, commit.go: the rest of the way. fault.go: which error
//     is of a request, of an image, or of the whole.
//   - source.go: where images come from. destination.go: where they go; layout.go,
//     archive.go, docker.go, docker_load.go and push.go are such, rename.go is their --map, and
//     clash.go says that two images have one name.
//   - plan.go: the same without blobs. inspect.go: one image, for people.
//
// Its neighbours: registry speaks to servers, layout keeps files, manifest reads
// what is between them. Requests are repeated by the transport (pace); what it
// does not see, a body that breaks off, is resumed here.
//
// It keeps these promises:
//
//   - Each blob is fetched once, whichever images want it, and resumed from
//     where it broke. Nothing is fetched that the destination has.
//   - An image that is unchanged costs no request, when its digest is known and the
//     destination has recorded that it got all that is attached.
//   - An image is said to be copied when the destination has it: of an archive,
//     when that is written.
//   - One image's trouble is that image's. Only the context, a disk, or a
//     destination that cannot be finished ends the whole.
//   - What a server sends is bounded, and believed when it fits its digest: depth and
//     number of manifests, sizes, what is attached.
//   - No goroutine is left when Copy and Plan return.
//
// doc/copy.md tells the same story for users, and doc/adr/0011-one-staging-layout.md
// why it is so.
package mirror

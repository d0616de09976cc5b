// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package layout keeps an OCI image layout that several workers fill at once
// and that no kill can break. It knows files, digests and the index. It fetches
// nothing, and what an image is made of it asks package manifest.
//
// # The map
//
// A layout is a folder (folder.go) with oci-layout, index.json and
// blobs/<algorithm>/<hex>. What is not of the format is in one folder beside
// blobs, .quayside, as containerd keeps its ingest folder: the lock (lock.go), a mark that
// says whose the folder is (own.go), a partial file for each blob on its way, by digest, and
// temporary files. Inside blobs they would be garbage to other tools: one removes whatever the index
// does not lead to, in every folder of blobs.
//
// One process has a layout open for writing. Blobs come in whole (blob.go) or
// piece by piece (partial.go). An image is there when the index names it
// (index.go), and many calls of Tag share one write of it (tag.go). Verify
// and Collect walk what the index leads to (package manifest). What only looks works on a
// read-only folder: Verify and a Layout that is opened so need no lock, and work
// beside a copy; Collect that only tells shares the lock with others who read.
//
// # What it upholds
//
//   - A file under a blob's final name was hashed, fits its descriptor, and was
//     synced before it got the name. Its bytes before that are in .quayside.
//   - An image that Tag has returned for survives a kill at any instant. As far
//     as fsync goes it survives a power cut: each blob was synced when it
//     was committed, the folders of new blobs are synced before an index that may
//     name them is written, and that is synced, renamed, and its folder synced.
//     Of blobs that another tool put there only the names are.
//   - A partial file is not synced. What a power cut leaves of it is hashed again, and
//     thrown away in the end if it does not fit.
//   - Nothing is removed, truncated, renamed or written over that quayside did not make, in this
//     run or in one that left a mark. A name proves nothing. What is no file in the place
//     of a blob is moved away, and never opened.
//   - What is there and fits its digest is never removed because a descriptor
//     says something else of it. Only Delete and Collect remove whole blobs.
//   - Entries of the index that other tools made, and fields that nobody here
//     knows, are kept byte by byte. An entry is an image of ours by its full
//     reference; one without a name or with a bare tag is another tool's.
//   - No name from a manifest becomes a path before its digest was checked.
//   - Nothing is held in memory but the index, one manifest at a time, and, while
//     Verify and Collect run, what the manifests list.
//
// The decisions and what was measured are in doc/adr/0009-layout-on-disk.md and
// doc/adr/0016-a-mark-says-what-is-ours.md.
package layout

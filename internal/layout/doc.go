// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package layout keeps an OCI image layout that several goroutines fill at once and
// that no kill can damage. It knows files, digests and the index. It fetches nothing;
// package manifest knows what an image consists of.
//
// # The map
//
// A layout is a folder (folder.go) with oci-layout, index.json and
// blobs/<algorithm>/<hex>. Everything else is in the folder .quayside beside blobs:
// the lock (lock.go), a mark that records whose folder it is (control.go), partial
// files by digest, and temporary files. In blobs, other tools would treat them as
// garbage: regctl removes every file there that the index does not lead to.
//
// One process at a time has a layout open for writing. Blobs are stored whole (blob.go)
// or piece by piece (partial.go). An image exists when the index names it (index.go), and
// concurrent calls of Tag share one write (tag.go). Verify and Collect walk what the
// index leads to. Verify, and a Layout opened with ReadOnly, take no lock and work
// beside a copy on a read-only folder. Collect that only reports shares the lock with
// other readers.
//
// # Invariants
//
//   - A file with a blob's final name was hashed, fits its descriptor, and was synced
//     before it got the name. Its bytes before that are in .quayside.
//   - An image that Tag has returned for survives a kill at any time, and a power cut as
//     far as fsync goes: each blob is synced by Commit or Put, the folders of new blobs
//     before an index that may name them, the index before its rename, and its folder
//     after. Of blobs that another tool stored only the names are synced.
//   - A partial file is not synced. After a power cut its content is hashed again, and
//     dropped at Commit if it does not fit.
//   - quayside removes, truncates, renames or overwrites only files that it made, in this
//     run or in an earlier one that left a mark. A name proves nothing. Anything but a
//     regular file in the place of a blob is moved away and never opened.
//   - A blob that fits its digest is never removed because a descriptor contradicts it.
//     Only Delete and Collect remove intact blobs.
//   - Entries and fields of other tools are kept byte by byte. An entry is quayside's
//     image by its full reference; one without a name or with a bare tag is foreign. An
//     invalid entry affects itself alone.
//   - Nothing from a manifest becomes a path before its digest was validated.
//   - Memory holds the index, one manifest at a time, and, during Verify and Collect, what
//     the manifests list.
//
// doc/adr/0009-layout-on-disk.md and doc/adr/0016-a-mark-says-what-is-ours.md have the
// decisions and measurements.
package layout

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package layout stores images in an OCI image layout. Several goroutines may write at
// once, and killing the process never damages the layout. The package handles files,
// digests and the index. It fetches nothing. Package manifest parses manifests.
//
// # The map
//
// A layout is a folder (folder.go) with oci-layout, index.json and
// blobs/<algorithm>/<hex>. Everything else is in the folder .quayside beside blobs:
// the lock (lock.go), a mark that quayside made the folder (control.go), partial
// files by digest, and temporary files. They are not in blobs, because other tools would
// treat them as garbage: regctl removes every file there that no entry of the index needs.
//
// One process at a time has a layout open for writing. Blobs are stored whole (blob.go)
// or piece by piece (partial.go). An image exists when the index names it (index.go), and
// concurrent calls of Tag share one write (tag.go). Verify and Collect walk all manifests
// below the index. Verify, and a Layout opened with ReadOnly, take no lock, and work on a
// read-only folder and during a copy. A dry run of Collect shares the lock with other
// readers.
//
// # Invariants
//
//   - A file with a blob's final name was hashed, matches its descriptor, and was synced
//     before the rename. Until then its bytes are in .quayside.
//   - Once Tag has returned, the image survives a kill at any time, and a power cut as
//     far as fsync goes. Commit and Put sync each blob. The folders of new blobs are synced
//     before an index that may name them, the index before its rename, and its folder
//     after the rename. For blobs of another tool, only the names are synced.
//   - A partial file is not synced. After a power cut its content is hashed again, and
//     dropped at Commit if it does not match.
//   - quayside removes, truncates, renames or overwrites only files that it made, in this
//     run or in an earlier run that left a mark. A file's name is no proof. Anything but a
//     regular file in the place of a blob is moved aside and never opened.
//   - A blob that matches its digest is never removed because a descriptor contradicts it.
//     Only Delete and Collect remove intact blobs.
//   - Entries and fields of other tools are kept byte by byte. An entry with a full
//     reference is quayside's image. An entry without a name or with a bare tag is
//     foreign. An invalid entry affects no other entry.
//   - A digest from a manifest is validated before it becomes a path.
//   - Memory holds the index and one manifest at a time. During Verify and Collect it also
//     holds the digests that the manifests list.
//
// doc/adr/0009-layout-on-disk.md and doc/adr/0016-a-mark-says-what-is-ours.md record the
// decisions and measurements.
package layout

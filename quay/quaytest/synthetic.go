// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/synthetic"
)

// SyntheticBlob describes a blob of size bytes that look random and follow from
// the seed. The server generates them while it sends them, so a dataset of many
// gigabytes takes no memory. SyntheticBlob reads all of them once to compute the
// digest. It panics if size is negative.
func SyntheticBlob(repository string, size int64, seed uint64) Blob {
	if size < 0 {
		panic("quaytest: SyntheticBlob: negative size")
	}
	return withDigest(Blob{Repository: repository, Size: &size, Seed: seed})
}

// SyntheticLayer describes a [SyntheticBlob] that can be unpacked: an
// uncompressed tar of one file of that name, whose content looks random. The
// digest of the layer is also the digest of its content (diff_id). Size is the
// size of the whole tar in bytes; it is rounded down to a multiple of 512, and is
// at least 1,536. SyntheticLayer panics if the name does not fit a tar header,
// which has room for some 100 characters.
func SyntheticLayer(repository, file string, size int64, seed uint64) Blob {
	size = synthetic.TarSize(size)
	if !synthetic.FitsTar(file, size) {
		panic("quaytest: SyntheticLayer: the file's name does not fit")
	}
	return withDigest(Blob{Repository: repository, Size: &size, Seed: seed, File: file})
}

// withDigest returns the blob with the digest of its content.
func withDigest(b Blob) Blob {
	b.Digest, _ = digest.FromReader(synthetic.Reader(b.Seed, b.File, *b.Size, 0, *b.Size)) // which does not fail
	return b
}

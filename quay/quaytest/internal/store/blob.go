// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/synthetic"
)

// A Blob is the content of a layer or configuration: Data, or what package
// synthetic generates if Data is nil.
type Blob struct {
	Data []byte
	Size int64
	Seed uint64
	File string
}

// Section returns n of the bytes from offset on.
func (b *Blob) Section(offset, n int64) io.Reader {
	if b.Data != nil {
		return bytes.NewReader(b.Data[offset : offset+n])
	}
	return synthetic.Reader(b.Seed, b.File, b.Size, offset, n)
}

// AddBlob records that a repository ("namespace/name") has a blob. A digest
// stands for the same bytes in every repository, so only one of them needs the
// content; nil adds none.
func (s *Store) AddBlob(repository string, d digest.Digest, content *Blob) {
	s.blobs[key{repository, d}] = true
	if content != nil {
		s.content[d] = content
	}
}

// Content returns the content of a blob, or nil.
func (s *Store) Content(d digest.Digest) *Blob {
	if b := s.content[d]; b != nil {
		return b
	}
	return s.pushed.blob(d)
}

// HasBlob reports whether a repository ("namespace/name") has a blob.
func (s *Store) HasBlob(repository string, d digest.Digest) bool {
	if s.blobs[key{repository, d}] {
		return true
	}
	if !s.pushed.some.Load() {
		return false
	}
	_, ok := s.pushed.blobs.Load(key{repository, d})
	return ok
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package synthetic generates blob content from a seed while it is sent, at any
// offset, so that many gigabytes of blobs take no memory.
package synthetic

import (
	"archive/tar"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
)

// Reader returns n bytes, from offset on, of a blob of size bytes. Without a
// file name the content looks random. With one it is an uncompressed tar of one
// file of random-looking content.
func Reader(seed uint64, file string, size, offset, n int64) io.Reader {
	if file == "" {
		return newKeystream(seed, offset, n)
	}
	header := tarHeader(file, size)
	begin := int64(len(header)) // of the file's content
	end := max(size-tarEnd, begin)
	return io.LimitReader(io.MultiReader(
		bytes.NewReader(header[min(offset, begin):]),
		newKeystream(seed, max(offset-begin, 0), max(end-max(offset, begin), 0)),
		bytes.NewReader(make([]byte, tarEnd)),
	), n)
}

// The parts of a tar of one file: header, content, and zeros at the end.
const (
	tarBlock = 512
	tarEnd   = 2 * tarBlock
)

// TarSize returns the size of the largest such tar of at most size bytes: a
// multiple of 512 bytes, 1,536 or more.
func TarSize(size int64) int64 { return max(size/tarBlock*tarBlock, tarBlock+tarEnd) }

// FitsTar reports whether a file name fits the header of a tar of size bytes.
func FitsTar(file string, size int64) bool { return file != "" && tarHeader(file, size) != nil }

// tarHeader returns the header of the one file in a tar of size bytes, or nil if
// the name does not fit one block.
func tarHeader(file string, size int64) []byte {
	var b bytes.Buffer
	if tar.NewWriter(&b).WriteHeader(&tar.Header{
		Name: file, Mode: 0o644, Size: max(size-tarBlock-tarEnd, 0), Format: tar.FormatUSTAR,
	}) != nil {
		return nil
	}
	return b.Bytes()
}

// A keystream is the output of AES in counter mode over zeros. It is fast,
// differs for every seed, and can start at any offset.
type keystream struct {
	cipher cipher.Stream
	left   int64
}

// newKeystream returns n bytes, from offset on, of the stream of a seed.
func newKeystream(seed uint64, offset, n int64) *keystream {
	var key, counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(key[:], seed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	binary.BigEndian.PutUint64(counter[8:], uint64(offset/aes.BlockSize))
	k := &keystream{cipher: cipher.NewCTR(block, counter[:]), left: n}
	skip := make([]byte, offset%aes.BlockSize)
	k.cipher.XORKeyStream(skip, skip)
	return k
}

// Read returns no error before the end.
func (k *keystream) Read(p []byte) (int, error) {
	if k.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), k.left)]
	clear(p)
	k.cipher.XORKeyStream(p, p)
	k.left -= int64(len(p))
	return len(p), nil
}

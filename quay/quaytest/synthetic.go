// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"archive/tar"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// SyntheticBlob describes a blob of size bytes that look random and follow
// from the seed. They are made while they are sent, at any offset, so that a
// dataset of many gigabytes takes no memory. It reads through all of them once
// to give the blob its digest. It panics when size is negative.
func SyntheticBlob(repository string, size int64, seed uint64) Blob {
	if size < 0 {
		panic("quaytest: SyntheticBlob: negative size")
	}
	return Blob{Repository: repository, Size: &size, Seed: seed}.digested()
}

// SyntheticLayer is a [SyntheticBlob] that can be unpacked: a tar, not
// compressed, of one file of that name, whose content looks random. The digest
// is that of the layer and of its content (diff_id), too. The size is of the
// whole tar, which is made of blocks: it is rounded down to a multiple of 512
// bytes, and is 1,536 at least. It panics when the name does not fit into a
// tar's header, some 100 characters.
func SyntheticLayer(repository, file string, size int64, seed uint64) Blob {
	size = max(size/tarBlock*tarBlock, tarBlock+tarEnd)
	if file == "" || tarHeader(file, size) == nil {
		panic("quaytest: SyntheticLayer: the file's name does not fit")
	}
	return Blob{Repository: repository, Size: &size, Seed: seed, File: file}.digested()
}

// digested gives the blob with the digest of its bytes.
func (b Blob) digested() Blob {
	sum := sha256.New()
	_, _ = io.Copy(sum, b.synthetic(0, *b.Size)) // neither side fails
	b.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return b
}

// A tar of one file: its header, its content, and an end of zeros.
const (
	tarBlock = 512
	tarEnd   = 2 * tarBlock
)

// tarHeader gives the header of the one file of a tar of size bytes, or nil
// when the name does not fit into one block.
func tarHeader(file string, size int64) []byte {
	var b bytes.Buffer
	if tar.NewWriter(&b).WriteHeader(&tar.Header{
		Name: file, Mode: 0o644, Size: max(size-tarBlock-tarEnd, 0), Format: tar.FormatUSTAR,
	}) != nil {
		return nil
	}
	return b.Bytes()
}

// synthetic gives n of the bytes from offset on of a blob without Base64.
func (b Blob) synthetic(offset, n int64) io.Reader {
	if b.File == "" {
		return newKeystream(b.Seed, offset, n)
	}
	header := tarHeader(b.File, *b.Size)
	begin := int64(len(header)) // of the content
	end := max(*b.Size-tarEnd, begin)
	return io.LimitReader(io.MultiReader(
		bytes.NewReader(header[min(offset, begin):]),
		newKeystream(b.Seed, max(offset-begin, 0), max(end-max(offset, begin), 0)),
		bytes.NewReader(make([]byte, tarEnd)),
	), n)
}

// A keystream reads what AES in counter mode makes of zeros: fast, different
// for every seed, and with a beginning anywhere.
type keystream struct {
	cipher cipher.Stream
	left   int64
}

// newKeystream gives n bytes from offset on of the stream that the seed begins.
// Any block of it can be made without those before it.
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

// Read never fails before the end.
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// SyntheticBlob describes a blob of size bytes that look random and follow
// from the seed. They are made while they are sent, at any offset, so that a
// dataset of many gigabytes takes no memory. It reads through all of them once
// to give the blob its digest. It panics when size is negative.
func SyntheticBlob(repository string, size int64, seed uint64) Blob {
	if size < 0 {
		panic("quaytest: SyntheticBlob: negative size")
	}
	sum := sha256.New()
	_, _ = io.Copy(sum, newKeystream(seed, 0, size)) // neither side fails
	return Blob{Repository: repository, Digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Size: &size, Seed: seed}
}

// stored is a blob's bytes, which are either decoded by the first request for
// them and then kept, or made anew for each.
type stored struct {
	blob  *Blob
	bytes func() []byte // nil for a synthetic blob
}

// newStore gives the function that finds the bytes of blobs by digest, once
// they are asked for. A digest stands for the same bytes in every repository,
// and a dataset may have them for one of these only. Base64 that is broken is
// served as far as it is good: a server may lie, and no client may believe it.
func newStore(d *Dataset) func() map[string]*stored {
	return sync.OnceValue(func() map[string]*stored {
		of := map[string]*stored{}
		for i := range d.Blobs {
			b := &d.Blobs[i]
			switch {
			case b.Base64 != nil:
				of[b.Digest] = &stored{blob: b, bytes: sync.OnceValue(func() []byte {
					text, _ := base64.StdEncoding.DecodeString(*b.Base64)
					return text
				})}
			case b.Size != nil && *b.Size >= 0:
				of[b.Digest] = &stored{blob: b}
			}
		}
		return of
	})
}

// size gives the number of bytes.
func (s *stored) size() int64 {
	if s.bytes != nil {
		return int64(len(s.bytes()))
	}
	return *s.blob.Size
}

// section gives n of the bytes from offset on.
func (s *stored) section(offset, n int64) io.Reader {
	if s.bytes != nil {
		return bytes.NewReader(s.bytes()[offset : offset+n])
	}
	return newKeystream(s.blob.Seed, offset, n)
}

// send sends n of the bytes from offset on, and sets their length. It holds no
// more than a buffer of them besides what the dataset holds already.
func (s *stored) send(w http.ResponseWriter, r *http.Request, status int, offset, n int64) {
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, s.section(offset, n)) // the client may leave
	}
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

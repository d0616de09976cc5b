// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ocitar

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/layout"
)

// maxZstdWindow bounds the memory for unpacking a zstd layer, in bytes.
const maxZstdWindow = 256 << 20

// DiffID reads a layer to its end and returns the digest of the tar in it. It returns an
// error if docker load cannot unpack the layer, and layout.ErrUnreadable if reading r
// fails. If the context ends, the error is the context's cause.
func DiffID(ctx context.Context, r io.Reader) (digest.Digest, error) {
	from := &source{ctx: ctx, r: r}
	d, err := diffID(bufio.NewReaderSize(from, 64<<10))
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case from.err != nil:
		return "", fmt.Errorf("%w: %w", layout.ErrUnreadable, from.err)
	case err != nil:
		return "", fmt.Errorf("it cannot be unpacked: %w", err)
	}
	return d, nil
}

func diffID(layer *bufio.Reader) (digest.Digest, error) {
	content, done, err := decompress(layer)
	if err != nil {
		return "", err
	}
	defer done()
	h := digest.SHA256.Hash()
	content = io.TeeReader(content, h)
	for tr := tar.NewReader(content); ; {
		if _, err := tr.Next(); err == io.EOF {
			break
		} else if err != nil {
			return "", fmt.Errorf("not a tar: %w", err)
		}
	}
	if _, err := io.Copy(io.Discard, content); err != nil { // bytes after the end of the tar
		return "", err
	}
	return digest.NewDigest(digest.SHA256, h), nil
}

// decompress returns the decompressed content of a layer. As in docker, the first bytes
// determine the compression, not the media type.
func decompress(r *bufio.Reader) (content io.Reader, done func(), err error) {
	done = func() {}
	begin, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, done, err
	}
	has := func(magic string) bool { return bytes.HasPrefix(begin, []byte(magic)) }
	switch {
	case has("\x1f\x8b\x08"):
		content, err = gzip.NewReader(r)
		return content, done, err
	case has("BZh"):
		return bzip2.NewReader(r), done, nil
	case has("\x28\xb5\x2f\xfd"), len(begin) > 3 && begin[0]&0xf0 == 0x50 && string(begin[1:4]) == "\x2a\x4d\x18":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxZstdWindow))
		if err != nil {
			return nil, done, err
		}
		return d, d.Close, nil
	case has("\xfd7zXZ\x00"):
		return nil, done, errors.New("xz compression is not supported")
	}
	return r, done, nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"sync"
)

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
	return s.blob.synthetic(offset, n)
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"net/http"
	"strconv"
)

// largeBlob is the size from which the quirks CutFirst and StallFirst play: no
// configuration is as large.
const largeBlob = 64 << 10

// A spoiler is the writer of an answer with a blob, by Quay or by object storage.
// If the answer is the blob and not an error or a redirect, it plays one quirk at
// most. A part of a blob is treated as a whole: half of it is half of the part.
type spoiler struct {
	http.ResponseWriter
	f     *Front
	r     *http.Request
	class string
	stall func()
	write func(w http.ResponseWriter, p []byte) (int, error) // nil: write as it is
	known bool                                               // write is set
}

// WriteHeader chooses the quirk.
func (s *spoiler) WriteHeader(status int) {
	if !s.known {
		s.known = true
		n, err := strconv.ParseInt(s.Header().Get("Content-Length"), 10, 64)
		if err == nil && s.r.Method == http.MethodGet && (status == http.StatusOK || status == http.StatusPartialContent) {
			s.write = s.choose(n)
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write is called only after WriteHeader, since a blob's length is known.
func (s *spoiler) Write(p []byte) (int, error) {
	if s.write == nil {
		return s.ResponseWriter.Write(p)
	}
	return s.write(s.ResponseWriter, p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *spoiler) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// choose returns the function that writes an answer of n bytes, or nil to write it
// as it is.
func (s *spoiler) choose(n int64) func(http.ResponseWriter, []byte) (int, error) {
	path := s.r.URL.Path
	switch {
	case s.f.WrongBytes.hits(path):
		return inverting()
	case s.f.Truncated.hits(path):
		s.Header().Set("Content-Length", strconv.FormatInt(n/2, 10))
		return stopping(n / 2)
	case s.f.Endless.hits(path):
		s.Header().Del("Content-Length")
		return s.repeating
	case n < largeBlob:
	case s.f.CutFirst.hits(s.r, s.class):
		return breaking(n/2, func() {})
	case s.f.StallFirst.hits(s.r, s.class):
		return breaking(n/2, s.stall)
	}
	return nil
}

// inverting writes all bytes, with the first byte of each piece wrong.
func inverting() func(http.ResponseWriter, []byte) (int, error) {
	return func(w http.ResponseWriter, p []byte) (int, error) {
		wrong := append([]byte(nil), p...)
		if len(wrong) > 0 {
			wrong[0] ^= 0xff
		}
		return w.Write(wrong)
	}
}

// stopping writes the first n bytes and reports that it wrote all.
func stopping(n int64) func(http.ResponseWriter, []byte) (int, error) {
	return func(w http.ResponseWriter, p []byte) (int, error) {
		part := p[:min(n, int64(len(p)))]
		n -= int64(len(part))
		if _, err := w.Write(part); err != nil {
			return 0, err
		}
		return len(p), nil
	}
}

// breaking writes the first n bytes, calls then, and breaks off.
func breaking(n int64, then func()) func(http.ResponseWriter, []byte) (int, error) {
	h := &half{then: then, left: n, known: true}
	return func(w http.ResponseWriter, p []byte) (int, error) {
		h.ResponseWriter = w
		return h.Write(p)
	}
}

// repeating writes the first piece again and again, until the client leaves or the
// server closes.
func (s *spoiler) repeating(w http.ResponseWriter, p []byte) (int, error) {
	for {
		select {
		case <-s.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-s.f.done:
			panic(http.ErrAbortHandler)
		default:
		}
		if _, err := w.Write(p); err != nil {
			return 0, err
		}
	}
}

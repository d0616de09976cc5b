// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"strconv"
)

// largeBlob is how many bytes an answer has to have, for the quirks that break
// off large blobs: no configuration has as many.
const largeBlob = 64 << 10

// A spoiler is the writer for a blob, by Quay or by the object storage. When
// the blob itself is about to be sent, and not an error or a redirect, it finds
// out which quirk is due, one at most. Parts of a blob are treated as the whole:
// half of them is half of what remains.
type spoiler struct {
	http.ResponseWriter
	f     *front
	r     *http.Request
	class string
	stall func()                                             // how to stall
	write func(w http.ResponseWriter, p []byte) (int, error) // how to spoil; nil: not at all
	begun bool
}

// WriteHeader decides.
func (s *spoiler) WriteHeader(status int) {
	if !s.begun {
		s.begun = true
		n, err := strconv.ParseInt(s.Header().Get("Content-Length"), 10, 64)
		if err == nil && s.r.Method == http.MethodGet && (status == http.StatusOK || status == http.StatusPartialContent) {
			s.write = s.choose(n)
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write is only called after WriteHeader: a blob's length is known.
func (s *spoiler) Write(p []byte) (int, error) {
	if s.write == nil {
		return s.ResponseWriter.Write(p)
	}
	return s.write(s.ResponseWriter, p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *spoiler) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// choose gives what writes an answer of n bytes, nil for nothing special.
func (s *spoiler) choose(n int64) func(http.ResponseWriter, []byte) (int, error) {
	path := s.r.URL.Path
	switch {
	case s.f.wrongBytes.hits(path):
		return inverting()
	case s.f.truncated.hits(path):
		s.Header().Set("Content-Length", strconv.FormatInt(n/2, 10))
		return stopping(n / 2)
	case s.f.endless.hits(path):
		s.Header().Del("Content-Length")
		return s.repeating
	case n < largeBlob:
	case s.f.cutFirst.hits(s.r, s.class):
		return breaking(n/2, func() {})
	case s.f.stallFirst.hits(s.r, s.class):
		return breaking(n/2, s.stall)
	}
	return nil
}

// inverting writes all bytes, the first one of each piece wrong.
func inverting() func(http.ResponseWriter, []byte) (int, error) {
	return func(w http.ResponseWriter, p []byte) (int, error) {
		wrong := append([]byte(nil), p...)
		if len(wrong) > 0 {
			wrong[0] ^= 0xff
		}
		return w.Write(wrong)
	}
}

// stopping writes the first n bytes, and lets nobody know.
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

// breaking writes the first n bytes, does something, and breaks off.
func breaking(n int64, then func()) func(http.ResponseWriter, []byte) (int, error) {
	h := &half{then: then, left: n, met: true}
	return func(w http.ResponseWriter, p []byte) (int, error) {
		h.ResponseWriter = w
		return h.Write(p)
	}
}

// repeating writes the first piece for ever: until the client leaves, or the
// server ends.
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

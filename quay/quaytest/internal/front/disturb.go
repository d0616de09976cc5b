// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// fault returns the status of the quirk that fails this request, or 0. Object
// storage is another host: only an outage of its paths fails it.
func (f *Front) fault(r *http.Request, class string) int {
	path := r.URL.Path
	switch {
	case f.Outage.on(path, class):
		return f.Outage.status
	case class == "storage":
		return 0
	case f.DatabaseRestarts.left() > 0:
		return http.StatusInternalServerError
	case f.HTML502.hits(path):
		return http.StatusBadGateway
	case f.HTML404.hits(path):
		return http.StatusNotFound
	case f.HTML500.hits(path):
		return http.StatusInternalServerError
	}
	return 0
}

// disturb plays one quirk at most: first those that fail the request, then those
// that falsify the answer, then those that break it off. It returns the writer to
// answer through, or nil if the quirk was the answer.
func (f *Front) disturb(w http.ResponseWriter, r *http.Request, class string, wait func(time.Duration)) http.ResponseWriter {
	path := r.URL.Path
	if left := f.Refused.left(); left > 0 {
		if f.down != nil {
			f.down(left)
		}
		panic(http.ErrAbortHandler)
	}
	if status := f.fault(r, class); status != 0 {
		f.fail(w, status)
		return nil
	}
	switch {
	case class == "tags" && f.Random401.hits(path):
		wire.SendProblem(w, r, wire.Unauthenticated)
		return nil
	case strings.HasPrefix(path, "/api/") && f.Malformed.hits(path):
		wire.SendText(w, http.StatusOK, "application/json", `{"repositories": [{"namespace": "`)
		return nil
	case f.redirectAway(w, r, class):
		return nil
	case f.Cut.hits(path):
		return &half{ResponseWriter: w, then: func() {}}
	case f.Stall.hits(path):
		return &half{ResponseWriter: w, then: func() { wait(patience) }}
	case class == "blob" || class == "storage":
		return &spoiler{ResponseWriter: w, f: f, r: r, class: class, stall: func() { wait(patience) }}
	}
	return w
}

// half writes the first half of a body, calls then, and breaks off. By then the
// client has the status and a Content-Length: it notices only if it compares the
// body with that or with a digest. An answer without a body is not changed.
type half struct {
	http.ResponseWriter
	then  func()
	left  int64 // bytes until then
	known bool  // left is set
}

// Write writes half of Content-Length or, without that, half of the first piece.
func (h *half) Write(p []byte) (int, error) {
	if !h.known {
		h.known, h.left = true, int64(len(p))/2
		if n, err := strconv.ParseInt(h.Header().Get("Content-Length"), 10, 64); err == nil {
			h.left = n / 2
		}
	}
	if int64(len(p)) <= h.left {
		n, err := h.ResponseWriter.Write(p)
		h.left -= int64(n)
		return n, err
	}
	if _, err := h.ResponseWriter.Write(p[:h.left]); err == nil {
		_ = http.NewResponseController(h.ResponseWriter).Flush()
		h.then()
	}
	panic(http.ErrAbortHandler) // the only way to break an answer off
}

// Unwrap lets http.ResponseController reach the connection.
func (h *half) Unwrap() http.ResponseWriter { return h.ResponseWriter }

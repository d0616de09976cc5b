// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// quirkSet holds the quirks that a front plays: what quirk.go sets.
type quirkSet struct {
	keepalive  bool
	empty429   bool
	retryAfter string // seconds; "": none
	backend    *line  // nil: serves all at once
	cost       time.Duration
	outage     *outage
	database   *spell
	refused    *spell
	leave      func(time.Duration) // closes the server's door for a time; nil: there is none

	html502, html404, html500, random401, malformed, cut, stall *trigger
	redirectAway, wrongBytes, truncated, endless                *trigger // the last three on blobs
	cutFirst, stallFirst                                        *first
}

// A trigger picks the requests a quirk is played on.
type trigger struct {
	every int64
	paths *regexp.Regexp // nil: all
	seen  atomic.Int64
}

// parseTrigger reads N, GLOB, N:GLOB or nothing. A glob may have a colon, as
// digests do; it begins with a slash, and a count does not.
func parseTrigger(value string) (*trigger, error) {
	t := &trigger{every: 1}
	count, glob, _ := strings.Cut(value, ":")
	if strings.HasPrefix(value, "/") {
		count, glob = "", value
	}
	if glob != "" {
		var err error
		if t.paths, err = compileGlob(glob); err != nil {
			return nil, err
		}
	}
	if count != "" {
		var err error
		if t.every, err = strconv.ParseInt(count, 10, 64); err != nil || t.every < 1 {
			return nil, fmt.Errorf("want a count, a glob that begins with a slash, or COUNT:GLOB")
		}
	}
	return t, nil
}

// compileGlob reads a glob in which * stands for anything but a slash, and **
// for anything.
func compileGlob(glob string) (*regexp.Regexp, error) {
	if !strings.HasPrefix(glob, "/") {
		return nil, fmt.Errorf("glob %q does not begin with a slash", glob)
	}
	pattern := strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(glob))
	return regexp.Compile("^" + pattern + "$")
}

// hits tells whether the quirk is played on this request. Only requests for
// the paths in question are counted; no trigger at all never hits.
func (t *trigger) hits(path string) bool {
	if t == nil || t.paths != nil && !t.paths.MatchString(path) {
		return false
	}
	return t.seen.Add(1)%t.every == 0
}

// An outage ends after a number of requests or some time after the first one.
type outage struct {
	status   int
	count    int64
	duration time.Duration
	paths    *regexp.Regexp // nil: all but those of object storage, which is another host
	seen     atomic.Int64
	first    atomic.Pointer[time.Time]
}

// setOutage reads COUNT or DURATION, a status and a glob, with colons between.
func setOutage(f *front, value string) error {
	length, rest, _ := strings.Cut(value, ":")
	status, glob, globbed := strings.Cut(rest, ":")
	o := &outage{status: http.StatusServiceUnavailable}
	var err error
	if o.count, err = strconv.ParseInt(length, 10, 64); err != nil {
		o.duration, err = time.ParseDuration(length)
	}
	if err != nil || o.count < 0 || o.duration < 0 {
		return fmt.Errorf("%q is neither a count nor a duration", length)
	}
	if length != value {
		if o.status, err = strconv.Atoi(status); err != nil || o.status < 400 || o.status > 599 {
			return fmt.Errorf("status %q is not one of 400 to 599", status)
		}
	}
	if globbed {
		if o.paths, err = compileGlob(glob); err != nil {
			return err
		}
	}
	f.outage = o
	return nil
}

// on tells whether the outage still lasts, and counts the request. A duration
// is of real time, whatever the server's clock says.
func (o *outage) on(path, class string) bool {
	switch {
	case o == nil, o.paths == nil && class == "storage", o.paths != nil && !o.paths.MatchString(path):
		return false
	}
	if o.duration == 0 {
		return o.seen.Add(1) <= o.count
	}
	now := time.Now()
	if o.first.CompareAndSwap(nil, &now) {
		return true
	}
	return now.Sub(*o.first.Load()) < o.duration
}

// fault gives the status of the quirk that fails this request, or 0. Object
// storage is another host, and goes on unless it is named.
func (f *front) fault(r *http.Request, class string) int {
	path := r.URL.Path
	switch {
	case f.outage.on(path, class):
		return f.outage.status
	case class == "storage":
		return 0
	case f.database.on() > 0:
		return http.StatusInternalServerError
	case f.html502.hits(path):
		return http.StatusBadGateway
	case f.html404.hits(path):
		return http.StatusNotFound
	case f.html500.hits(path):
		return http.StatusInternalServerError
	}
	return 0
}

// disturb plays the quirk that is due, one at most: what fails the request
// comes first, then what falsifies the answer, then what breaks it off. It
// gives the writer to answer through, or nil when the quirk was the answer.
func (f *front) disturb(w http.ResponseWriter, r *http.Request, class string, wait func(time.Duration)) http.ResponseWriter {
	path := r.URL.Path
	if lasts := f.refused.on(); lasts > 0 {
		if f.leave != nil {
			f.leave(lasts)
		}
		panic(http.ErrAbortHandler)
	}
	if status := f.fault(r, class); status != 0 {
		f.fail(w, status)
		return nil
	}
	switch {
	case class == "tags" && f.random401.hits(path):
		sendProblem(w, r, problemAnonymous)
		return nil
	case strings.HasPrefix(path, "/api/") && f.malformed.hits(path):
		send(w, http.StatusOK, "application/json", `{"repositories": [{"namespace": "`)
		return nil
	case f.leadAway(w, r, class):
		return nil
	case f.cut.hits(path):
		return &half{ResponseWriter: w, then: func() {}}
	case f.stall.hits(path):
		return &half{ResponseWriter: w, then: func() { wait(patience) }}
	case class == "blob" || class == "storage":
		return &spoiler{ResponseWriter: w, f: f, r: r, class: class, stall: func() { wait(patience) }}
	}
	return w
}

// half writes the first half of a body, does something, and breaks off. The
// client has the status and a Content-Length by then: only one that compares
// what it got with that, or with a digest, finds out. What has no body comes
// through whole.
type half struct {
	http.ResponseWriter
	then func()
	left int64 // bytes until then
	met  bool  // left is set
}

// Write halves what Content-Length announces or, without one, the first piece.
func (h *half) Write(p []byte) (int, error) {
	if !h.met {
		h.met, h.left = true, int64(len(p))/2
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
	panic(http.ErrAbortHandler) // the only way to end an answer as broken
}

// Unwrap lets http.ResponseController reach the connection.
func (h *half) Unwrap() http.ResponseWriter { return h.ResponseWriter }

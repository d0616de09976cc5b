// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"hash/maphash"
	"net/http"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

// One request can fail again and again while its host is well. A Quay answers 500
// with a page for one repository whose record is damaged, and to each tag request
// of a token whose stored scope is broken (doc/quay-api.md, "Corrections"). The
// same page answers everything while its database is away.
//
// To tell the two apart a control is sent before the request is repeated: a request
// that the host is known to answer. If the control is answered well and the request
// fails right after it, the trouble is the request's own. In an outage both fail.
// For a 500 page to a request with a token, the control is the same request without
// its token. For any other failure, from the third on, it is the last request like
// it that was answered well.
const (
	// ownFailures is how often in a row a request fails right after its control
	// before it is given up. A host that comes and goes, or of which one worker
	// restarts, does not fail as regularly as that.
	ownFailures = 4
	// ownPatience is how long it is repeated at least: one worker of several may
	// be restarting, and get this request each time.
	ownPatience = firstPatience
	// closely is how soon the request has to follow its control.
	closely = time.Second
	// freshly is how old a control is before another takes its place.
	freshly = time.Second
)

// A control is a request that was answered well.
type control struct {
	req  *http.Request
	kind kind
	at   time.Time
}

// remember keeps the request of a slot as a control, if its answer was good and
// small.
func (f *classQueue) remember(s *slot, resp *http.Response, now time.Time) {
	req := s.job.req
	small := req.Method == http.MethodHead || resp.ContentLength <= maxKept
	f.good = f.good || resp.StatusCode < http.StatusBadRequest
	if resp.StatusCode >= http.StatusBadRequest || !repeatable(req) || s.job.kind.listing || s.control != nil || !small {
		return
	}
	for i, c := range f.controls {
		if c.kind == s.job.kind {
			if now.Sub(c.at) >= freshly {
				f.controls[i] = control{controlRequest(req), c.kind, now}
			}
			return
		}
	}
	f.controls = append(f.controls, control{controlRequest(req), s.job.kind, now})
}

// controlRequest returns a request without what belongs to its caller.
func controlRequest(req *http.Request) *http.Request {
	u := *req.URL
	return &http.Request{
		Method: req.Method, URL: &u, Header: req.Header.Clone(), Host: req.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// control returns the control to send before a job, or nil.
func (f *classQueue) control(j *job) *http.Request {
	if j.down == 0 || j.controlled || j.kind.listing || !repeatable(j.req) || j.down < fewFailures-1 && !j.slow {
		return nil
	}
	for _, c := range f.controls {
		if c.kind == j.kind {
			return c.req
		}
	}
	return nil
}

// prepare decides, when a job has got its slot, whether a control goes first.
func (h *host) prepare(s *slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := s.job
	if j.began.IsZero() {
		j.began = s.sent
	}
	switch {
	case j.suspected.IsZero():
		s.control = s.classQueue.control(j)
	case h.outage.proven.After(j.suspected): // others have shown meanwhile that the host is in trouble
		j.suspected = time.Time{}
	default:
		s.control = controlRequest(j.req)
		s.control.Header.Del("Authorization")
	}
}

// controlledBy records what came of the control, which is never the answer to
// the request. An error ends the request.
func (j *job) controlledBy(o outcome) error {
	o.discard()
	well := o.err == nil && o.invalid == nil && !o.down && o.refusal == nil
	if j.suspected.IsZero() {
		j.controlled = true
		if well {
			j.well = time.Now()
		}
	} else if o.refusal == nil {
		j.suspected, j.cleared = time.Time{}, well
	}
	if err := j.req.Context().Err(); err != nil {
		return err
	}
	if isOutage(o.err) {
		return o.err
	}
	return nil
}

// suspect decides about a 500 page that was sent to a request with a token: the
// host is in trouble, the token is to blame, or a control has to tell.
func (h *host) suspect(s *slot, o *outcome) {
	key := maphash.String(h.seed, s.job.req.Header.Get("Authorization"))
	switch {
	case s.control != nil: // it was answered well before
		o.down = true
	case h.outage.proven.After(s.sent), !h.outage.began.IsZero() && !h.outage.proven.Before(h.outage.began):
		o.down = true
	case s.job.cleared || h.blamed[key]:
		h.blamed[key] = true
	default:
		o.suspect = true
	}
}

// accept takes the blame from a token whose request was answered well.
func (h *host) accept(req *http.Request) {
	if v := req.Header.Get("Authorization"); v != "" && !kindOf(req).listing { // a token with a broken scope lists, too
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.blamed, maphash.String(h.seed, v))
	}
}

// ownTrouble counts a failure of the request, and reports whether the trouble is
// its own beyond doubt.
func (j *job) ownTrouble(sent time.Time) bool {
	if j.controlled && sent.Sub(j.well) < closely {
		j.own++
	} else if j.controlled {
		j.own = 0
	}
	j.controlled, j.well = false, time.Time{}
	j.slow = time.Since(sent) >= ownPatience
	lasts := time.Since(j.began)
	return j.own >= ownFailures && lasts >= ownPatience || j.own > 0 && lasts >= patience
}

// repeatable reports whether a request may be sent twice.
func repeatable(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

// isPage500 reports whether an answer is a 500 with an HTML page.
func isPage500(resp *http.Response) bool { return isPage(resp, http.StatusInternalServerError) }

// isPage reports whether an answer has a status and an HTML page.
func isPage(resp *http.Response, status int) bool {
	return resp.StatusCode == status && transport.MediaType(resp.Header) == "text/html"
}

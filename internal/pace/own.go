// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"net/http"
	"time"
)

// One request can fail again and again while its host is well: a Quay answers
// 500 with a page for one repository whose record is damaged. It is not worth the
// wait of an outage. To tell the two apart, a request that has failed a few times
// is sent behind a control: one like it that was answered well before. If the
// control is answered well, and the request then fails at once, it has a trouble
// of its own. In an outage the control fails, too, however few requests are left.
const (
	// ownFailures is how often in a row a request fails right after its control,
	// at least, before it is given up. A host that comes and goes, or of which
	// one worker restarts, does not fail as regularly as that.
	ownFailures = 4
	// ownPatience is how long it is repeated at least: one worker of several
	// may be restarting, and always get this request.
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

// remember keeps the request of a slot as a control, if its answer was a good and
// a small one.
func (f *flow) remember(s *slot, resp *http.Response, now time.Time) {
	req := s.job.req
	small := req.Method == http.MethodHead || resp.ContentLength <= maxKept
	f.good = f.good || resp.StatusCode < http.StatusBadRequest
	if resp.StatusCode >= http.StatusBadRequest || !repeatable(req) || s.job.kind.listing || s.job.bare || s.control != nil || !small {
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
func (f *flow) control(j *job) *http.Request {
	if j.down == 0 || j.bare || j.controlled || j.kind.listing || !repeatable(j.req) {
		return nil
	}
	if j.down < fewFailures-1 && !j.slow {
		return nil
	}
	for _, c := range f.controls {
		if c.kind == j.kind {
			return c.req
		}
	}
	return nil
}

// controlledBy records what came of the control, which is never the answer to
// the request. An error ends the request.
func (j *job) controlledBy(o outcome) error {
	o.discard()
	j.controlled = true
	if o.err == nil && o.invalid == nil && !o.down && o.refusal == nil {
		j.well = time.Now()
	}
	if err := j.req.Context().Err(); err != nil {
		return err
	}
	if isOutage(o.err) {
		return o.err
	}
	return nil
}

// ownTrouble counts a failure of the request, and reports whether its trouble is
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"hash/maphash"
	"mime"
	"net/http"
	"time"
)

// A Quay answers 500 with an HTML page to every request while its database is
// away, and to each tag request of a token whose stored scope is broken
// (doc/quay-api.md, "Corrections"). The first passes, the second does not. A
// request without a token, and a listing, have nothing of their own to fail of.
// Any other request that is answered so is a suspect: it is sent again without
// its token, whose answer is read and never passed on. When that fails, too, the
// server is in trouble, and all suspects are repeated. When it does not, the
// request is sent once more as it was: the server may have come back in between.

// isPage500 reports whether an answer is a 500 with an HTML page.
func isPage500(resp *http.Response) bool { return isPage(resp, http.StatusInternalServerError) }

// isPage reports whether an answer has a status and an HTML page.
func isPage(resp *http.Response, status int) bool {
	if resp.StatusCode != status {
		return false
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mediaType == "text/html"
}

// bareRequest returns the request without its token.
func bareRequest(req *http.Request) *http.Request {
	bare := req.Clone(req.Context())
	bare.Header.Del("Authorization")
	return bare
}

// suspect decides about a 500 page that was sent to a request with a token. It
// returns false when the token is to blame.
func (h *host) suspect(s *slot, o *outcome) bool {
	key := maphash.String(h.seed, s.job.req.Header.Get("Authorization"))
	switch {
	case h.outage.proven.After(s.sent), !h.outage.began.IsZero() && !h.outage.proven.Before(h.outage.began):
		o.down = true
	case s.job.checked || h.blamed[key]:
		h.blamed[key] = true
		return false
	default:
		o.suspect = true
	}
	return true
}

// prepare decides, when its turn has come, whether a suspect goes without its
// token: not when others have shown meanwhile that the server is in trouble. It
// decides, too, whether a control goes first.
func (h *host) prepare(s *slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := s.job
	if j.began.IsZero() {
		j.began = s.sent
	}
	s.control = s.flow.control(j)
	if j.bare && h.outage.proven.After(j.suspected) {
		j.bare = false
	}
}

// cleared handles the answer to a suspect that went without its token. It
// reports whether the answer was a good one: then the request goes again as it
// was.
func (j *job) cleared(o outcome) bool {
	if !j.bare || o.down || o.err != nil || o.refusal != nil {
		j.bare = j.bare && o.refusal != nil
		return false
	}
	j.bare, j.checked = false, true
	return true
}

// accuse makes the request a suspect.
func (j *job) accuse(o outcome, sent time.Time) {
	j.kept = keep(o.resp, 0)
	j.bare, j.suspected = true, sent
}

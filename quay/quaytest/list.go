// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// listPage is how many repositories a page of a listing has; no parameter
// changes it (doc/quay-api.md section 1).
const listPage = 100

// A listing is what a request for repositories asks for. Its parameters are
// those of doc/quay-api.md section 1; whatever else a query has is ignored.
type listing struct {
	namespace    string
	kind         string // as asked for, and as every repository of the page shows it
	public       bool
	lastModified bool
	popularity   bool
	start        int32  // position of the first repository wanted
	page         int64  // its page's number, from 1
	cursor       string // next_page as it came, when it was good
}

// serveList answers GET /api/v1/repository (doc/quay-api.md section 1). The
// scope of a token is not looked at here, not even a broken one.
func (h *Handler) serveList(q call) {
	l := listing{page: 1, public: q.params.flag("public"),
		lastModified: q.params.flag("last_modified"), popularity: q.params.flag("popularity")}
	l.namespace, _ = q.params.text("namespace")
	kind, given := q.params.text("repo_kind")
	if l.kind = kind; !given {
		l.kind = "image"
	}
	starred := q.params.flag("starred")
	// The order of the cases is the server's: a listing that is empty for want
	// of a caller comes before the look at its kind.
	switch {
	case l.namespace == "" && !l.public && !starred:
		sendProblem(q.w, q.r, problemQuery)
	case starred && !q.caller.known():
		sendMessage(q.w, q.r, http.StatusBadRequest, "The browser (or proxy) sent a request that this server could not understand.")
	case starred, !q.caller.known() && !l.public:
		h.sendListing(q, l, nil, "") // nobody has starred anything; nothing is public
	case strings.ContainsRune(l.namespace, 0) || strings.ContainsRune(l.kind, 0):
		sendMessage(q.w, q.r, http.StatusBadRequest, nulMessage)
	case l.kind == "application": // a kind the server knows and has none of
		h.sendListing(q, l, nil, "")
	case l.kind != "image" && l.kind != "":
		sendBytes(q.w, q.r, http.StatusBadRequest, "application/json", []byte(`{"message":"Unknown repository kind"}`+"\n"))
	default:
		now := h.now()
		h.startAt(&l, q.params, now)
		ids := h.st.visible(l.namespace, q.caller.user, l.public, l.start, listPage+1)
		h.sendListing(q, l, ids[:min(len(ids), listPage)], h.nextPage(l, ids, now))
	}
}

// startAt reads next_page. One that cannot be read, has lapsed, or is another
// server's counts as none: page one again, and no error.
func (h *Handler) startAt(l *listing, params parameters, now time.Time) {
	text, given := params.text("next_page")
	if _, reuse := h.cfg.shape.quirk("page-reuse"); !given || reuse {
		return
	}
	c, err := h.cursors.open(text, now)
	if err != nil {
		return
	}
	l.cursor, l.page, l.start = text, c.Page, int32(min(max(c.Start-1, 0), math.MaxInt32))
}

// nextPage gives the cursor of the page after this one, or "" when there is
// none. Ids are those of this page and the first of the next.
func (h *Handler) nextPage(l listing, ids []int32, now time.Time) string {
	_, repeat := h.cfg.shape.quirk("repeat-cursor")
	next := int64(math.MaxInt32)
	switch {
	case repeat && l.cursor != "":
		return l.cursor
	case len(ids) > listPage:
		next = int64(ids[listPage]) + 1
	case !repeat:
		return ""
	}
	return h.cursors.seal(cursor{Start: next, Page: l.page + 1}, now)
}

// sendListing answers with one page. The key next_page is absent, never null,
// when there is no next one.
func (h *Handler) sendListing(q call, l listing, ids []int32, next string) {
	now := h.now()
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"repositories": [`...)
		for i, id := range ids {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = h.appendListed(b, l, h.st.at(id), q.caller.known(), now)
		}
		b = append(b, ']')
		if next != "" {
			b = appendText(append(b, `, "next_page": `...), next)
		}
		return append(b, '}')
	})
}

// appendListed appends one repository of a listing. Its last_modified is the
// start of its newest live tag, null when it has none; is_starred is there for
// a caller whom the server knows, and for no other.
func (h *Handler) appendListed(b []byte, l listing, r *Repository, known bool, now time.Time) []byte {
	b = appendText(append(b, `{"namespace": `...), r.Namespace)
	b = appendText(append(b, `, "name": `...), r.Name)
	b = appendTextOrNull(append(b, `, "description": `...), r.Description)
	b = appendBool(append(b, `, "is_public": `...), r.Public)
	b = appendText(append(b, `, "kind": `...), l.kind)
	b = appendText(append(b, `, "state": `...), stateOf(r))
	if l.lastModified {
		b = append(b, `, "last_modified": `...)
		if t := h.st.tagIndex(r).newest(now); t != nil {
			b = appendNumber(b, unixSeconds(t.Start), "")
		} else {
			b = append(b, "null"...)
		}
	}
	if l.popularity {
		b = append(b, `, "popularity": 0.0`...)
	}
	if known {
		b = append(b, `, "is_starred": false`...)
	}
	return append(b, '}')
}

// stateOf gives a repository's state as the API names it.
func stateOf(r *Repository) string {
	if r.State == "" {
		return "NORMAL"
	}
	return r.State
}

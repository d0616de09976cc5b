// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/cursor"
	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// listPage is the number of repositories on a page; no parameter changes it
// (doc/quay-api.md section 1).
const listPage = 100

// A listing holds the parameters of a request for repositories (doc/quay-api.md
// section 1). Other parameters are ignored.
type listing struct {
	namespace    string
	kind         string // as requested; every repository of the page shows it
	public       bool
	lastModified bool
	popularity   bool
	start        int32  // position of the first repository wanted
	page         int64  // number of the page, from 1
	cursor       string // next_page as it came, if it was valid
}

// serveList answers GET /api/v1/repository (doc/quay-api.md section 1). The scope
// of a token does not matter here, not even a broken one.
func (a *API) serveList(q call) {
	l := listing{page: 1, public: q.params.Bool("public"),
		lastModified: q.params.Bool("last_modified"), popularity: q.params.Bool("popularity")}
	l.namespace, _ = q.params.String("namespace")
	kind, given := q.params.String("repo_kind")
	if l.kind = kind; !given {
		l.kind = "image"
	}
	starred := q.params.Bool("starred")
	// The cases are in Quay's order: a listing that is empty because the caller is
	// anonymous comes before the check of its kind.
	switch {
	case l.namespace == "" && !l.public && !starred:
		wire.SendProblem(q.w, q.r, wire.NothingToList)
	case starred && !q.caller.Known():
		wire.SendMessage(q.w, q.r, http.StatusBadRequest, "The browser (or proxy) sent a request that this server could not understand.")
	case starred, !q.caller.Known() && !l.public:
		a.sendListing(q, l, nil, "") // nobody has starred anything; nothing is public
	case strings.ContainsRune(l.namespace, 0) || strings.ContainsRune(l.kind, 0):
		wire.SendMessage(q.w, q.r, http.StatusBadRequest, wire.NULByte)
	case l.kind == "application": // a kind that Quay knows and has no repository of
		a.sendListing(q, l, nil, "")
	case l.kind != "image" && l.kind != "":
		wire.Send(q.w, q.r, http.StatusBadRequest, "application/json", []byte(`{"message":"Unknown repository kind"}`+"\n"))
	default:
		now := a.Now()
		a.startAt(&l, q.params, now)
		ids := a.Store.Visible(l.namespace, q.caller.User, l.public, l.start, listPage+1)
		a.sendListing(q, l, ids[:min(len(ids), listPage)], a.nextPage(l, ids, now))
	}
}

// startAt reads next_page. A cursor that is unreadable, expired, or another server's
// means page one, without an error.
func (a *API) startAt(l *listing, params wire.Query, now time.Time) {
	text, given := params.String("next_page")
	if !given || a.ReusePage {
		return
	}
	c, err := a.Cursors.Open(text, now)
	if err != nil {
		return
	}
	l.cursor, l.page, l.start = text, c.Page, int32(min(max(c.Start-1, 0), math.MaxInt32))
}

// nextPage returns the cursor of the next page, or "" if there is none. Ids are
// those of this page and the first of the next one.
func (a *API) nextPage(l listing, ids []int32, now time.Time) string {
	next := int64(math.MaxInt32)
	switch {
	case a.RepeatCursor && l.cursor != "":
		return l.cursor
	case len(ids) > listPage:
		next = int64(ids[listPage]) + 1
	case !a.RepeatCursor:
		return ""
	}
	return a.Cursors.Seal(cursor.Cursor{Start: next, Page: l.page + 1}, now)
}

// sendListing answers with one page. On the last page the key next_page is absent,
// not null.
func (a *API) sendListing(q call, l listing, ids []int32, next string) {
	now := a.Now()
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"repositories": [`...)
		for i, id := range ids {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = a.appendListed(b, l, a.Store.At(id), q.caller.Known(), now)
		}
		b = append(b, ']')
		if next != "" {
			b = wire.AppendString(append(b, `, "next_page": `...), next)
		}
		return append(b, '}')
	})
}

// appendListed appends a repository of a listing. Its last_modified is the start of
// its newest live tag, or null. Only known callers get is_starred.
func (a *API) appendListed(b []byte, l listing, r *store.Repository, known bool, now time.Time) []byte {
	b = wire.AppendString(append(b, `{"namespace": `...), r.Namespace)
	b = wire.AppendString(append(b, `, "name": `...), r.Name)
	b = wire.AppendStringOrNull(append(b, `, "description": `...), r.Description)
	b = wire.AppendBool(append(b, `, "is_public": `...), r.Public)
	b = wire.AppendString(append(b, `, "kind": `...), l.kind)
	b = wire.AppendString(append(b, `, "state": `...), r.Status())
	if l.lastModified {
		b = append(b, `, "last_modified": `...)
		if t := r.Tags.Newest(now); t != nil {
			b = wire.AppendInt(b, store.UnixSeconds(t.Start), "")
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

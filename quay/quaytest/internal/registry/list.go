// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/cursor"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// maxPage is the largest size of a page of tags or of the catalog, and the size
// without the parameter n (doc/quay-api.md section 5).
const maxPage = 100

// pageSize returns the parameter n, clamped to least..100, or fallback if n is not a
// number (endpoints/v2/__init__.py).
func pageSize(r *http.Request, least int64, fallback int) int {
	n, ok := wire.Query(r.URL.RawQuery).Int("n", maxPage)
	if !ok {
		return fallback
	}
	return int(min(max(n, least), maxPage))
}

// nextLink sets the Link to the next page, an absolute URL. The last page has none.
func (a *API) nextLink(w http.ResponseWriter, r *http.Request, n int, key, value string) {
	link := a.origin(r) + (&url.URL{Path: r.URL.Path}).EscapedPath() + "?n=" + strconv.Itoa(n) + "&" + key + "=" + url.QueryEscape(value)
	w.Header().Set("Link", "<"+link+`>; rel="next"`)
}

// serveTagNames answers with the sorted names of a repository's live tags after the
// parameter last (doc/quay-api.md section 5). With n=0 there is no last name for a
// Link. Quay may answer from a cache of up to two minutes; this server does not.
func (a *API) serveTagNames(w http.ResponseWriter, r *http.Request, name, _ string) {
	repository := a.existing(w, r, name)
	if repository == nil {
		return
	}
	names, now := []string{}, a.Now()
	last, _ := wire.Query(r.URL.RawQuery).String("last")
	last = strings.TrimSpace(last)
	for _, t := range repository.Tags.Listed() {
		if t.Live(now) && t.Name > last {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if n := pageSize(r, 0, maxPage); len(names) > n {
		names = names[:n]
		if n > 0 {
			a.nextLink(w, r, n, "last", names[n-1])
		}
	}
	sendJSON(w, r, http.StatusOK, map[string]any{"name": name, "tags": names})
}

// serveCatalog answers with the repositories on which the token's account has rights
// of its own, and with none to an anonymous caller: public repositories are not
// listed (doc/quay-api.md section 5; recording registry-catalog). They are in order
// of creation. Pages have cursors like those of the REST API; an unreadable cursor
// means page one.
func (a *API) serveCatalog(w http.ResponseWriter, r *http.Request, _, _ string) {
	token, ok := a.bearer(w, r, "", "")
	if !ok {
		return
	}
	var start int64
	if text, given := wire.Query(r.URL.RawQuery).String("next_page"); given {
		if c, err := a.Cursors.Open(text, a.Now()); err == nil {
			start = c.Start - 1
		}
	}
	n := pageSize(r, 1, 1) // here an n that is not a number means 1
	var ids []int32
	switch {
	case token == nil || start < 0 || start > math.MaxInt32:
	case a.Store.Robot(token.Subject) != nil:
		ids = a.Store.VisibleToRobot(token.Subject, int32(start), n+1)
	default:
		ids = a.Store.Visible("", token.Subject, false, int32(start), n+1)
	}
	if len(ids) > n {
		a.nextLink(w, r, n, "next_page", a.Cursors.Seal(cursor.Cursor{Start: int64(ids[n]) + 1}, a.Now()))
		ids = ids[:n]
	}
	names := []string{}
	for _, id := range ids {
		names = append(names, a.Store.At(id).FullName())
	}
	sendJSON(w, r, http.StatusOK, map[string]any{"repositories": names})
}

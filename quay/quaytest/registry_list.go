// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// registryPage is the most that a page of tags or of the catalog holds, and
// what it holds when n is not given (doc/quay-api.md section 5).
const registryPage = 100

// pageLength reads n, clamped to least..100, or gives otherwise if n is no
// number (endpoints/v2/__init__.py).
func pageLength(r *http.Request, least int64, otherwise int) int {
	n, ok := parameters(r.URL.RawQuery).number("n", registryPage)
	if !ok {
		return otherwise
	}
	return int(min(max(n, least), registryPage))
}

// nextLink says where the next page of this listing is, absolutely. The last
// page has no Link.
func (h *Handler) nextLink(w http.ResponseWriter, r *http.Request, n int, key, value string) {
	link := h.origin(r) + (&url.URL{Path: r.URL.Path}).EscapedPath() + "?n=" + strconv.Itoa(n) + "&" + key + "=" + url.QueryEscape(value)
	w.Header().Set("Link", "<"+link+`>; rel="next"`)
}

// serveTagNames answers with the names of a repository's live tags, sorted,
// those after the parameter last (doc/quay-api.md section 5). With n=0 there is
// nothing to lead on from, and so no Link. Quay may answer from a cache some
// two minutes old; this server never does.
func (h *Handler) serveTagNames(w http.ResponseWriter, r *http.Request, name, _ string) {
	repository := h.existing(w, r, name)
	if repository == nil {
		return
	}
	names, now := []string{}, h.now()
	last, _ := parameters(r.URL.RawQuery).text("last")
	last = strings.TrimSpace(last)
	for i := range repository.Tags {
		if t := &repository.Tags[i]; t.aliveAt(now) && t.Name > last {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if n := pageLength(r, 0, registryPage); len(names) > n {
		names = names[:n]
		if n > 0 {
			h.nextLink(w, r, n, "last", names[n-1])
		}
	}
	sendCompact(w, r, http.StatusOK, map[string]any{"name": name, "tags": names})
}

// serveCatalog answers with the repositories that the caller of the token
// has rights of his own on, and nothing to an anonymous one: public ones are
// not in it (doc/quay-api.md section 5; recording registry-catalog). They come
// in order of creation, a page by a cursor like those of the REST API, and one
// that cannot be read gives page one.
func (h *Handler) serveCatalog(w http.ResponseWriter, r *http.Request, _, _ string) {
	token, ok := h.bearer(w, r, "", "")
	if !ok {
		return
	}
	var start int64
	if text, given := parameters(r.URL.RawQuery).text("next_page"); given {
		if c, err := h.cursors.open(text, h.now()); err == nil {
			start = c.Start - 1
		}
	}
	n := pageLength(r, 1, 1) // what is no number is the least here
	var ids []int32
	switch {
	case token == nil || start < 0 || start > math.MaxInt32:
	case h.st.robots[token.Subject] != nil: // which owns nothing
		ids = merge([][]int32{slices.Sorted(maps.Keys(h.st.roles[token.Subject]))}, int32(start), n+1)
		ids = append(ids, h.st.visibleMade(int32(start), n+1-len(ids), func(v *version) bool { return v.maker == token.Subject })...)
	default:
		ids = h.st.visible("", token.Subject, false, int32(start), n+1)
	}
	if len(ids) > n {
		h.nextLink(w, r, n, "next_page", h.cursors.seal(cursor{Start: int64(ids[n]) + 1}, h.now()))
		ids = ids[:n]
	}
	names := []string{}
	for _, id := range ids {
		of := h.st.at(id)
		names = append(names, of.Namespace+"/"+of.Name)
	}
	sendCompact(w, r, http.StatusOK, map[string]any{"repositories": names})
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// Bounds of a page of tags (doc/quay-api.md section 2, "Parameters").
const (
	tagPage    = 50
	tagPageMax = 100
)

// A tagQuery is what a request for tags asks for. All its conditions hold
// together.
type tagQuery struct {
	specific string                 // exact name; "" for all
	filter   func(name string) bool // nil: all
	active   bool                   // live ones only, not their history
	limit    int                    // 1 to tagPageMax
	page     int64                  // from 1
}

// serveTags answers GET /api/v1/repository/NAMESPACE/REPOSITORY/tag/
// (doc/quay-api.md section 2). Rights come first, then the form of the
// numbers, then everything else.
func (h *Handler) serveTags(q call) {
	repo := h.authorize(q)
	if repo == nil {
		return
	}
	t, ok := readTagQuery(q)
	if !ok {
		return
	}
	// A page that fills an int64 is most likely a larger one that was cut.
	if t.page == math.MaxInt64 || t.page-1 > math.MaxInt64/int64(t.limit) {
		sendCrash(q.w, q.r) // the database counts no further
		return
	}
	rows, more := h.st.tagRows(repo, t, h.now())
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"tags": [`...)
		for i, row := range rows {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = h.appendTag(b, repo, row)
		}
		b = appendNumber(append(b, `], "page": `...), t.page, "")
		return append(appendBool(append(b, `, "has_additional": `...), more), '}')
	})
}

// readTagQuery reads the parameters, and answers when they are wrong. Numbers
// out of range are drawn into it, but text is refused. A filter with an
// operation that the server does not know is no filter.
func readTagQuery(q call) (t tagQuery, ok bool) {
	page, ok := q.params.number("page", 1)
	if !ok {
		sendBadArgument(q.w, q.r, "page", "Page index for the results. Default 1.")
		return t, false
	}
	limit, ok := q.params.number("limit", tagPage)
	if !ok {
		sendBadArgument(q.w, q.r, "limit", "Limit to the number of results to return per page. Max 100.")
		return t, false
	}
	t.page, t.limit = max(page, 1), int(min(max(limit, 1), tagPageMax))
	t.active = q.params.flag("onlyActiveTags")
	t.specific, _ = q.params.text("specificTag")
	filter, _ := q.params.text("filter_tag_name")
	operation, value, ok := strings.Cut(filter, ":")
	switch {
	case filter == "":
	case !ok:
		sendMessage(q.w, q.r, http.StatusBadRequest, "Unsupported syntax for filter_tag_name. Expected <operation>:<tag_name> where <operation>can be 'like' or 'eq'.")
		return t, false
	case operation == "eq":
		t.filter = func(name string) bool { return name == value }
	case operation == "like":
		t.filter = func(name string) bool { return like("%"+value+"%", name) }
	}
	if strings.ContainsRune(t.specific, 0) || t.filter != nil && strings.ContainsRune(value, 0) {
		sendMessage(q.w, q.r, http.StatusBadRequest, nulMessage)
		return t, false
	}
	return t, true
}

// tagRows gives a page of a repository's tags, and tells whether there are
// more behind it.
func (s *state) tagRows(r *Repository, t tagQuery, now time.Time) (rows []*Tag, more bool) {
	index := s.tagIndex(r)
	if index == nil {
		return nil, false
	}
	all := index.rows
	if t.specific != "" {
		all = index.named(t.specific)
	}
	skip := (t.page - 1) * int64(t.limit)
	for _, row := range all {
		if t.specific != "" && row.Name != t.specific || t.active && !row.aliveAt(now) || t.filter != nil && !t.filter(row.Name) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(rows) == t.limit {
			return rows, true
		}
		rows = append(rows, row)
	}
	return rows, false
}

// appendTag appends one row of a repository's tags. Times are in whole seconds;
// an end is there when the tag has one, in the past or to come.
func (h *Handler) appendTag(b []byte, r *Repository, t *Tag) []byte {
	start := t.Start.Unix()
	b = appendText(append(b, `{"name": `...), t.Name)
	b = appendBool(append(b, `, "reversion": `...), t.Reversion)
	if start > 0 {
		b = appendNumber(append(b, `, "start_ts": `...), start, "")
	}
	if t.End.Unix() > 0 {
		b = appendNumber(append(b, `, "end_ts": `...), t.End.Unix(), "")
	}
	b = appendText(append(b, `, "manifest_digest": `...), t.Digest)
	b = appendBool(append(b, `, "is_manifest_list": `...), t.ManifestList)
	b = appendSize(append(b, `, "size": `...), t.Size)
	b = appendLifetime(b, t)
	if t.ManifestList {
		b = h.appendSparse(b, r, t)
	}
	return append(b, '}')
}

// appendSize appends a tag's size in bytes, null when the server does not
// know it.
func appendSize(b []byte, size *int64) []byte {
	if size == nil {
		return append(b, "null"...)
	}
	return appendNumber(b, *size, "")
}

// appendLifetime appends a tag's start and end as texts, those it has.
func appendLifetime(b []byte, t *Tag) []byte {
	if start := t.Start.Unix(); start > 0 {
		b = appendTime(append(b, `, "last_modified": `...), start)
	}
	if t.End.Unix() > 0 {
		b = appendTime(append(b, `, "expiration": `...), t.End.Unix())
	}
	return b
}

// appendSparse appends which manifests of an index the repository has: it is
// sparse when some are missing.
func (h *Handler) appendSparse(b []byte, r *Repository, t *Tag) []byte {
	c := h.st.children(h.st.manifest(r.Namespace+"/"+r.Name, t.Digest))
	b = appendBool(append(b, `, "is_sparse": `...), c.count < len(c.digests))
	b = appendNumber(append(b, `, "child_manifest_count": `...), int64(len(c.digests)), "")
	b = appendNumber(append(b, `, "present_child_count": `...), int64(c.count), "")
	b = append(b, `, "child_manifests_presence": {`...)
	for i, digest := range c.digests {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendBool(append(appendText(b, digest), ": "...), c.present[i])
	}
	return append(b, '}')
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// Sizes of a page of tags (doc/quay-api.md section 2, "Parameters").
const (
	defaultTagPage = 50
	maxTagPage     = 100
)

// A tagQuery holds the parameters of a request for tags. A tag must meet all of
// its conditions.
type tagQuery struct {
	specific string                 // exact name; "" for all
	filter   func(name string) bool // nil: all
	active   bool                   // live tags only
	limit    int                    // 1 to maxTagPage
	page     int64                  // from 1
}

// serveTags answers GET /api/v1/repository/NAMESPACE/REPOSITORY/tag/
// (doc/quay-api.md section 2). Quay checks rights first, then the numbers, then the
// other parameters.
func (a *API) serveTags(q call) {
	repo := a.authorize(q)
	if repo == nil {
		return
	}
	t, ok := readTagQuery(q)
	if !ok {
		return
	}
	// A page of the largest int64 was most likely larger.
	if t.page == math.MaxInt64 || t.page-1 > math.MaxInt64/int64(t.limit) {
		wire.SendCrash(q.w, q.r) // the database cannot count further
		return
	}
	rows, more := tagPage(repo, t, a.Now())
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"tags": [`...)
		for i, row := range rows {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = a.appendTag(b, repo, row)
		}
		b = wire.AppendInt(append(b, `], "page": `...), t.page, "")
		return append(wire.AppendBool(append(b, `, "has_additional": `...), more), '}')
	})
}

// readTagQuery reads the parameters, and answers if they are wrong. Numbers out of
// range are clamped, text is refused. A filter with an unknown operation is ignored.
func readTagQuery(q call) (t tagQuery, ok bool) {
	page, ok := q.params.Int("page", 1)
	if !ok {
		wire.SendBadNumber(q.w, q.r, "page", "Page index for the results. Default 1.")
		return t, false
	}
	limit, ok := q.params.Int("limit", defaultTagPage)
	if !ok {
		wire.SendBadNumber(q.w, q.r, "limit", "Limit to the number of results to return per page. Max 100.")
		return t, false
	}
	t.page, t.limit = max(page, 1), int(min(max(limit, 1), maxTagPage))
	t.active = q.params.Bool("onlyActiveTags")
	t.specific, _ = q.params.String("specificTag")
	filter, _ := q.params.String("filter_tag_name")
	operation, value, ok := strings.Cut(filter, ":")
	switch {
	case filter == "":
	case !ok:
		wire.SendMessage(q.w, q.r, http.StatusBadRequest, "Unsupported syntax for filter_tag_name. Expected <operation>:<tag_name> where <operation>can be 'like' or 'eq'.")
		return t, false
	case operation == "eq":
		t.filter = func(name string) bool { return name == value }
	case operation == "like":
		t.filter = func(name string) bool { return like("%"+value+"%", name) }
	}
	if strings.ContainsRune(t.specific, 0) || t.filter != nil && strings.ContainsRune(value, 0) {
		wire.SendMessage(q.w, q.r, http.StatusBadRequest, wire.NULByte)
		return t, false
	}
	return t, true
}

// tagPage returns a page of a repository's tags, and reports whether there are
// further ones.
func tagPage(r *store.Repository, t tagQuery, now time.Time) (rows []*store.Tag, more bool) {
	all := r.Tags.Listed()
	if t.specific != "" {
		all = r.Tags.Named(t.specific)
	}
	skip := (t.page - 1) * int64(t.limit)
	for _, row := range all {
		if t.specific != "" && row.Name != t.specific || t.active && !row.Live(now) || t.filter != nil && !t.filter(row.Name) {
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

// appendTag appends a row of a repository's tags. Times are in whole seconds. A tag
// without an end has no end_ts.
func (a *API) appendTag(b []byte, r *store.Repository, t *store.Tag) []byte {
	start := t.Start.Unix()
	b = wire.AppendString(append(b, `{"name": `...), t.Name)
	b = wire.AppendBool(append(b, `, "reversion": `...), t.Reversion)
	if start > 0 {
		b = wire.AppendInt(append(b, `, "start_ts": `...), start, "")
	}
	if t.End.Unix() > 0 {
		b = wire.AppendInt(append(b, `, "end_ts": `...), t.End.Unix(), "")
	}
	b = wire.AppendString(append(b, `, "manifest_digest": `...), t.Digest)
	b = wire.AppendBool(append(b, `, "is_manifest_list": `...), t.ManifestList)
	b = appendSize(append(b, `, "size": `...), t.Size)
	b = appendLifetime(b, t)
	if t.ManifestList {
		b = a.appendSparse(b, r, t)
	}
	return append(b, '}')
}

// appendSize appends a tag's size in bytes, or null if the server does not know it.
func appendSize(b []byte, size *int64) []byte {
	if size == nil {
		return append(b, "null"...)
	}
	return wire.AppendInt(b, *size, "")
}

// appendLifetime appends a tag's start and end as dates, if it has them.
func appendLifetime(b []byte, t *store.Tag) []byte {
	if start := t.Start.Unix(); start > 0 {
		b = wire.AppendTime(append(b, `, "last_modified": `...), start)
	}
	if t.End.Unix() > 0 {
		b = wire.AppendTime(append(b, `, "expiration": `...), t.End.Unix())
	}
	return b
}

// appendSparse appends which manifests of an index the repository has. The index is
// sparse if some are missing.
func (a *API) appendSparse(b []byte, r *store.Repository, t *store.Tag) []byte {
	c := a.Store.Children(a.Store.Manifest(r.FullName(), t.Digest))
	b = wire.AppendBool(append(b, `, "is_sparse": `...), c.Count < len(c.Digests))
	b = wire.AppendInt(append(b, `, "child_manifest_count": `...), int64(len(c.Digests)), "")
	b = wire.AppendInt(append(b, `, "present_child_count": `...), int64(c.Count), "")
	b = append(b, `, "child_manifests_presence": {`...)
	for i, child := range c.Digests {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = wire.AppendBool(append(wire.AppendString(b, child), ": "...), c.Present[i])
	}
	return append(b, '}')
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// The size of a page of results and the number of pages (doc/quay-api.md section 5).
const (
	searchPage  = 10
	searchPages = 10
)

// serveSearch answers GET /api/v1/find/repositories with the repositories that the
// caller sees and whose name or description contains the query's text. All have the
// same score, so they are in order of creation. NAMESPACE/TEXT searches one
// namespace (recording search; data/model/repository.py). For a known caller Quay
// omits repositories without any permission; this server does not.
func (a *API) serveSearch(q call) {
	page, ok := q.params.Int("page", 1)
	if !ok {
		wire.SendBadNumber(q.w, q.r, "page", "The page.")
		return
	}
	page = min(max(page, 1), searchPages)
	query, _ := q.params.String("query")
	namespace, text, within := strings.Cut(query, "/")
	if !within {
		namespace, text = "", query
	}
	found := a.search(q.caller.User, namespace, text, int(page)*searchPage+1)
	offset := min(int(page-1)*searchPage, len(found))
	found = found[offset:]
	more := len(found) > searchPage
	found = found[:min(len(found), searchPage)]
	usage := q.params.Bool("includeUsage")
	now := a.Now()
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"results": [`...)
		for i, repository := range found {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = a.appendFound(b, repository)
			if usage {
				if t := repository.Tags.Newest(now); t != nil {
					b = wire.AppendInt(append(b[:len(b)-1], `, "last_modified": `...), store.UnixSeconds(t.Start), "}")
				}
				b = append(b[:len(b)-1], `, "stars": 0, "popularity": 0.0}`...)
			}
		}
		b = wire.AppendBool(append(b, `], "has_additional": `...), more)
		b = wire.AppendInt(append(b, `, "page": `...), page, "")
		b = wire.AppendInt(append(b, `, "page_size": `...), searchPage, "")
		return append(wire.AppendInt(append(b, `, "start_index": `...), (page-1)*searchPage, ""), '}')
	})
}

// search returns up to limit repositories that a user sees, in one namespace or, if
// that is empty, in all.
func (a *API) search(user, namespace, text string, limit int) []*store.Repository {
	var found []*store.Repository
	text = strings.ToLower(text)
	const chunk = 1000
	for start := int32(0); len(found) < limit; {
		ids := a.Store.Visible(namespace, user, true, start, chunk)
		for _, id := range ids {
			r := a.Store.At(id)
			if len(found) < limit && (strings.Contains(r.Name, text) || strings.Contains(strings.ToLower(r.Description), text)) {
				found = append(found, r)
			}
		}
		if len(ids) < chunk {
			break
		}
		start = ids[len(ids)-1] + 1
	}
	return found
}

// appendFound appends a repository that a search found.
func (a *API) appendFound(b []byte, r *store.Repository) []byte {
	kind := a.Store.Namespace(r.Namespace).Kind
	title, avatar := kind, kind
	if kind == store.KindOrganization {
		title, avatar = "org", "org"
	}
	b = wire.AppendString(append(b, `{"kind": "repository", "title": "repo", "namespace": {"title": `...), title)
	b = wire.AppendString(append(b, `, "kind": `...), kind)
	b = appendAvatar(append(b, `, "avatar": `...), r.Namespace, avatar)
	b = wire.AppendString(append(b, `, "name": `...), r.Namespace)
	b = wire.AppendString(append(b, `, "score": 1, "href": `...), "/"+kind+"/"+r.Namespace)
	b = wire.AppendString(append(b, `}, "name": `...), r.Name)
	b = wire.AppendStringOrNull(append(b, `, "description": `...), r.Description)
	b = wire.AppendBool(append(b, `, "is_public": `...), r.Public)
	return append(wire.AppendString(append(b, `, "score": 4, "href": `...), "/repository/"+r.Namespace+"/"+r.Name), '}')
}

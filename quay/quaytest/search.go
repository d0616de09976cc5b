// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"strings"
)

// A search shows so many repositories a page, and no page beyond the last one
// (doc/quay-api.md section 5).
const (
	searchPage  = 10
	searchPages = 10
)

// serveSearch answers GET /api/v1/find/repositories: the repositories that the
// caller sees and whose name or description has the query's text in it, in
// order of their making, as all have the same score. NAMESPACE/TEXT is a search
// in that namespace (recording search; data/model/repository.py). Quay leaves
// out, for a caller it knows, repositories that nobody has a permission on;
// this server does not.
func (h *Handler) serveSearch(q call) {
	page, ok := q.params.number("page", 1)
	if !ok {
		sendBadArgument(q.w, q.r, "page", "The page.")
		return
	}
	page = min(max(page, 1), searchPages)
	query, _ := q.params.text("query")
	namespace, text, within := strings.Cut(query, "/")
	if !within {
		namespace, text = "", query
	}
	found := h.search(q.caller.user, namespace, text, int(page)*searchPage+1)
	offset := min(int(page-1)*searchPage, len(found))
	found = found[offset:]
	more := len(found) > searchPage
	found = found[:min(len(found), searchPage)]
	usage := q.params.flag("includeUsage")
	now := h.now()
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"results": [`...)
		for i, repository := range found {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = h.appendFound(b, repository)
			if usage {
				if t := h.st.tagIndex(repository).newest(now); t != nil {
					b = appendNumber(append(b[:len(b)-1], `, "last_modified": `...), unixSeconds(t.Start), "}")
				}
				b = append(b[:len(b)-1], `, "stars": 0, "popularity": 0.0}`...)
			}
		}
		b = appendBool(append(b, `], "has_additional": `...), more)
		b = appendNumber(append(b, `, "page": `...), page, "")
		b = appendNumber(append(b, `, "page_size": `...), searchPage, "")
		return append(appendNumber(append(b, `, "start_index": `...), (page-1)*searchPage, ""), '}')
	})
}

// search gives up to limit repositories that a user sees, in one namespace or,
// for "", in all.
func (h *Handler) search(user, namespace, text string, limit int) []*Repository {
	var found []*Repository
	text = strings.ToLower(text)
	const chunk = 1000
	for start := int32(0); len(found) < limit; {
		ids := h.st.visible(namespace, user, true, start, chunk)
		for _, id := range ids {
			r := h.st.at(id)
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

// appendFound appends one repository that a search found.
func (h *Handler) appendFound(b []byte, r *Repository) []byte {
	kind, _, _ := h.st.namespace(r.Namespace)
	title, avatar := kind, kind
	if kind == "organization" {
		title, avatar = "org", "org"
	}
	b = appendText(append(b, `{"kind": "repository", "title": "repo", "namespace": {"title": `...), title)
	b = appendText(append(b, `, "kind": `...), kind)
	b = appendAvatar(append(b, `, "avatar": `...), r.Namespace, avatar)
	b = appendText(append(b, `, "name": `...), r.Namespace)
	b = appendText(append(b, `, "score": 1, "href": `...), "/"+kind+"/"+r.Namespace)
	b = appendText(append(b, `}, "name": `...), r.Name)
	b = appendTextOrNull(append(b, `, "description": `...), r.Description)
	b = appendBool(append(b, `, "is_public": `...), r.Public)
	return append(appendText(append(b, `, "score": 4, "href": `...), "/repository/"+r.Namespace+"/"+r.Name), '}')
}

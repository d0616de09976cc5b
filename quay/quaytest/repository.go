// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"time"
)

const (
	// detailTags is how many tags a repository's detail shows at most.
	detailTags = 500
	// statsDays is how many days its statistics go back (range(1, 92) in
	// endpoints/api/repository.py).
	statsDays = 91
)

// serveRepository answers GET /api/v1/repository/NAMESPACE/REPOSITORY
// (doc/quay-api.md section 5).
func (h *Handler) serveRepository(q call) {
	repo := h.authorize(q)
	if repo == nil {
		return
	}
	may := h.st.role(q.caller, repo.Namespace, repo.Name)
	kind, _, _ := h.st.namespace(repo.Namespace)
	_, given := q.params.text("includeTags")
	withTags := !given || q.params.flag("includeTags")
	now := h.now()
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"namespace": `...), repo.Namespace)
		b = appendText(append(b, `, "name": `...), repo.Name)
		b = appendTextOrNull(append(b, `, "kind": "image", "description": `...), repo.Description)
		b = appendBool(append(b, `, "is_public": `...), repo.Public)
		b = appendBool(append(b, `, "is_organization": `...), kind == "organization")
		b = append(b, `, "is_starred": false, "status_token": "", "trust_enabled": false, `+
			`"tag_expiration_s": 1209600, "is_free_account": true`...)
		b = appendText(append(b, `, "state": `...), stateOf(repo))
		if withTags {
			b = h.appendDetailTags(b, repo, now)
		}
		b = appendBool(append(b, `, "can_write": `...), may >= roleWrite && stateOf(repo) == "NORMAL")
		b = appendBool(append(b, `, "can_admin": `...), may >= roleAdmin)
		if q.params.flag("includeStats") {
			b = appendStats(b, now)
		}
		return append(b, '}')
	})
}

// appendDetailTags appends the live tags as an object, newest first.
func (h *Handler) appendDetailTags(b []byte, r *Repository, now time.Time) []byte {
	rows, _ := h.st.tagRows(r, tagQuery{active: true, limit: detailTags, page: 1}, now)
	b = append(b, `, "tags": {`...)
	for i, t := range rows {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendText(append(appendText(b, t.Name), `: {"name": `...), t.Name)
		b = appendLifetime(appendSize(append(b, `, "size": `...), t.Size), t)
		b = append(appendText(append(b, `, "manifest_digest": `...), t.Digest), '}')
	}
	return append(b, '}')
}

// appendStats appends how often the repository was used, by day: never, for
// the embedded server does not count.
func appendStats(b []byte, now time.Time) []byte {
	b = append(b, `, "stats": [`...)
	for day := 1; day <= statsDays; day++ {
		if day > 1 {
			b = append(b, ", "...)
		}
		b = append(b, `{"date": "`...)
		b = now.UTC().AddDate(0, 0, -day).AppendFormat(b, time.DateOnly)
		b = append(b, `", "count": 0}`...)
	}
	return append(b, ']')
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

const (
	// detailTags is the largest number of tags in a repository's detail.
	detailTags = 500
	// statsDays is the number of days in its statistics (range(1, 92) in
	// endpoints/api/repository.py).
	statsDays = 91
)

// serveRepository answers GET /api/v1/repository/NAMESPACE/REPOSITORY
// (doc/quay-api.md section 5).
func (a *API) serveRepository(q call) {
	repo := a.authorize(q)
	if repo == nil {
		return
	}
	may := a.Store.Role(q.caller, repo.Namespace, repo.Name)
	_, given := q.params.String("includeTags")
	withTags := !given || q.params.Bool("includeTags")
	now := a.Now()
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = wire.AppendString(append(b, `{"namespace": `...), repo.Namespace)
		b = wire.AppendString(append(b, `, "name": `...), repo.Name)
		b = wire.AppendStringOrNull(append(b, `, "kind": "image", "description": `...), repo.Description)
		b = wire.AppendBool(append(b, `, "is_public": `...), repo.Public)
		b = wire.AppendBool(append(b, `, "is_organization": `...), a.Store.Namespace(repo.Namespace).Kind == store.KindOrganization)
		b = append(b, `, "is_starred": false, "status_token": "", "trust_enabled": false, `+
			`"tag_expiration_s": 1209600, "is_free_account": true`...)
		b = wire.AppendString(append(b, `, "state": `...), repo.Status())
		if withTags {
			b = a.appendDetailTags(b, repo, now)
		}
		b = wire.AppendBool(append(b, `, "can_write": `...), may >= store.RoleWrite && repo.Status() == "NORMAL")
		b = wire.AppendBool(append(b, `, "can_admin": `...), may >= store.RoleAdmin)
		if q.params.Bool("includeStats") {
			b = appendStats(b, now)
		}
		return append(b, '}')
	})
}

// appendDetailTags appends the live tags as an object, newest first.
func (a *API) appendDetailTags(b []byte, r *store.Repository, now time.Time) []byte {
	rows, _ := tagPage(r, tagQuery{active: true, limit: detailTags, page: 1}, now)
	b = append(b, `, "tags": {`...)
	for i, t := range rows {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = wire.AppendString(append(wire.AppendString(b, t.Name), `: {"name": `...), t.Name)
		b = appendLifetime(appendSize(append(b, `, "size": `...), t.Size), t)
		b = append(wire.AppendString(append(b, `, "manifest_digest": `...), t.Digest), '}')
	}
	return append(b, '}')
}

// appendStats appends the daily use of a repository, which the embedded server does
// not count: it is 0.
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

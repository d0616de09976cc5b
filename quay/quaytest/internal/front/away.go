// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/objectstore"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// redirected is the query parameter by which the other host of the quirk
// RedirectAway recognises requests that were sent to it.
const redirected = "quaytest-away"

// redirectAway plays RedirectAway on a manifest or a blob, and reports whether it
// answered. The other host has the name of the object storage. It serves what this
// one serves, but answers 400 to a request with an Authorization header, which
// must not follow the redirect.
func (f *Front) redirectAway(w http.ResponseWriter, r *http.Request, class string) bool {
	if f.RedirectAway == nil || class != "manifest" && class != "blob" {
		return false
	}
	if r.URL.Query().Has(redirected) {
		if r.Header.Get("Authorization") == "" {
			return false
		}
		objectstore.RefuseCredentials(w, r)
		return true
	}
	if !f.RedirectAway.hits(r.URL.Path) {
		return false
	}
	scheme, _, _ := strings.Cut(wire.Origin(r), ":")
	query := redirected + "=1"
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	wire.RedirectTo(w, r, http.StatusTemporaryRedirect, scheme+"://"+objectstore.Host(r.Host)+r.URL.EscapedPath()+"?"+query)
	return true
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"strings"
)

// awayMark is the parameter by which the other host of the quirk redirect-away
// knows what was sent to it.
const awayMark = "quaytest-away"

// leadAway plays redirect-away on a manifest or a blob, and tells whether it
// answered. The other host has the name that the object storage has; it serves
// the same as this one, but never to a request with an Authorization header,
// which must not have come along: that is 400 there, as the storage's is.
func (f *front) leadAway(w http.ResponseWriter, r *http.Request, class string) bool {
	if f.redirectAway == nil || class != "manifest" && class != "blob" {
		return false
	}
	if r.URL.Query().Has(awayMark) {
		if r.Header.Get("Authorization") == "" {
			return false
		}
		twoCredentials.send(w, r)
		return true
	}
	if !f.redirectAway.hits(r.URL.Path) {
		return false
	}
	scheme, _, _ := strings.Cut(origin(r), ":")
	query := awayMark + "=1"
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	sendLocation(w, r, http.StatusTemporaryRedirect, scheme+"://"+storageHost(r.Host)+r.URL.EscapedPath()+"?"+query)
	return true
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"net/http"
	"strings"
	"testing"
)

// doc/quay-api.md section 5: the only way to distinguish a namespace without visible
// repositories from a missing one. Section 3, "Detection": the user route.
func TestNamespaces(t *testing.T) {
	h := recordedQuay(t)
	const nobody = `{"message": "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."}`
	for _, c := range []struct {
		path, token string
		status      int
		holds       string
	}{
		{"organization/offharbour", "", 200, `"name": "offharbour"`},
		{"organization/alice", "${alice-org-admin}", 404, "not_found"},
		{"organization/harbourline", "${alice-org-admin}", 200, `"is_admin": true, "is_member": true`},
		{"organization/harbourline", "${alice-repo-read}", 200, `"is_admin": false, "is_member": false`},
		{"users/alice", "", 200, `"username": "alice"`},
		{"users/harbourline", "", 404, nobody},
		{"users/Alice", "", 404, nobody},
		{"users/harbourline+puller", "", 404, nobody},
		{"user/", "${alice-both}", 200, `"username": "alice"`},
		{"user/", "${alice-user-read}", 200, `"username": "alice"`},
		{"user/", "${alice-org-admin}", 401, `"session_required": false`},
		{"user/", "${gone-repo-read}", 401, `"session_required": false`},
		{"users/gonefolk", "", 200, `"username": "gonefolk"`}, // disabled
		{"users/nobody", "${alice-bad-scope}", 404, nobody},
	} {
		w := request(h, http.MethodGet, "/api/v1/"+c.path, "Bearer "+c.token)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.holds) {
			t.Errorf("%s with %q: %d %s, want %d %s", c.path, c.token, w.Code, w.Body, c.status, c.holds)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// The registry API's errors have two shapes (doc/quay-api.md section 3): a list of
// errors (D), and {"error": TEXT} sent as HTML (B). Its JSON is compact, ends in a
// line feed, and has its keys in alphabetical order.

// sendJSON answers with JSON as the registry API writes it.
func sendJSON(w http.ResponseWriter, r *http.Request, status int, value any) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err) // strings, and maps and lists of strings
	}
	wire.Send(w, r, status, "application/json", body.Bytes())
}

// sendError answers with shape D. The detail is a string, or an object that may be
// empty.
func sendError(w http.ResponseWriter, r *http.Request, status int, code, message string, detail any) {
	type wireError struct {
		Code    string `json:"code"`
		Detail  any    `json:"detail"`
		Message string `json:"message"`
	}
	sendJSON(w, r, status, map[string][]wireError{"errors": {{code, detail, message}}})
}

// The actions in a challenge.
const (
	toPull = "pull"
	toPush = "pull,push"
)

// unauthorized answers 401 in shape D with a challenge for some actions on a
// repository. An empty repository means none in particular.
func (a *API) unauthorized(w http.ResponseWriter, r *http.Request, repository, actions, message string) {
	a.challenge(w, r, repository, actions)
	sendError(w, r, http.StatusUnauthorized, "UNAUTHORIZED", message, struct{}{})
}

// challenge sets the headers of a registry that requires a token.
func (a *API) challenge(w http.ResponseWriter, r *http.Request, repository, actions string) {
	origin := a.origin(r)
	_, service, _ := strings.Cut(origin, "://")
	c := `Bearer realm="` + origin + `/v2/auth",service="` + service + `"`
	if repository != "" {
		c += `,scope="repository:` + repository + ":" + actions + `"`
	}
	w.Header().Set("WWW-Authenticate", c)
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
}

// origin returns the registry's own scheme and host. The host is that of the request
// unless the server has a name of its own.
func (a *API) origin(r *http.Request) string {
	if a.Hostname == "" {
		return wire.Origin(r)
	}
	scheme, _, _ := strings.Cut(wire.Origin(r), ":")
	return scheme + "://" + a.Hostname
}

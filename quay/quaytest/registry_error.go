// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// The registry API's errors have two shapes (doc/quay-api.md section 3): a
// list of errors (D), and {"error": TEXT} sent as HTML (B). Its JSON is
// compact and ends in a line feed, with the keys in alphabetical order.

// sendCompact answers with JSON as the registry API writes it.
func sendCompact(w http.ResponseWriter, r *http.Request, status int, value any) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err) // texts, and maps and lists of texts
	}
	sendBytes(w, r, status, "application/json", body.Bytes())
}

// refuse answers with shape D. The detail is a string or an empty object.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string, detail any) {
	type wireError struct {
		Code    string `json:"code"`
		Detail  any    `json:"detail"`
		Message string `json:"message"`
	}
	sendCompact(w, r, status, map[string][]wireError{"errors": {{code, detail, message}}})
}

// What a token may allow, as a challenge names it.
const (
	toPull = "pull"
	toPush = "pull,push"
)

// unauthorized answers 401 in shape D, and says where a token for such actions
// on the repository can be had. An empty repository is none in particular.
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, repository, actions, message string) {
	h.challenge(w, r, repository, actions)
	refuse(w, r, http.StatusUnauthorized, "UNAUTHORIZED", message, struct{}{})
}

// challenge sets the headers of a registry that wants a token.
func (h *Handler) challenge(w http.ResponseWriter, r *http.Request, repository, actions string) {
	origin := h.origin(r)
	_, service, _ := strings.Cut(origin, "://")
	c := `Bearer realm="` + origin + `/v2/auth",service="` + service + `"`
	if repository != "" {
		c += `,scope="repository:` + repository + ":" + actions + `"`
	}
	w.Header().Set("WWW-Authenticate", c)
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
}

// origin gives the registry's own address, which is that of the request unless
// the server has been given a name.
func (h *Handler) origin(r *http.Request) string {
	if h.cfg.hostname == "" {
		return origin(r)
	}
	scheme, _, _ := strings.Cut(origin(r), ":")
	return scheme + "://" + h.cfg.hostname
}

// refuseMethod answers 405 with the framework's own page (recording registry-blob).
func refuseMethod(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", allowed)
	sendBytes(w, r, http.StatusMethodNotAllowed, htmlType, []byte("<!doctype html>\n<html lang=en>\n"+
		"<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n<p>The method is not allowed for the requested URL.</p>\n"))
}

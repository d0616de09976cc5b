// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import "net/http"

// The REST API's errors have four shapes (doc/quay-api.md section 3): problem
// JSON (A), {"error": TEXT} sent as HTML (B), {"message": TEXT or object} (C),
// and pages of HTML (E).

// htmlType is the content type of every page of Quay's own making, and of
// shape B.
const htmlType = "text/html; charset=utf-8"

// A problem is an error of shape A.
type problem struct {
	status int
	kind   string // error_type
	detail string
	more   string // further members, as JSON text that ends in ", "
}

var (
	problemAnonymous = problem{http.StatusUnauthorized, "invalid_token", "Requires authentication", ""}
	problemForbidden = problem{http.StatusForbidden, "insufficient_scope", "Unauthorized", ""}
	problemNotFound  = problem{http.StatusNotFound, "not_found", "Not Found", ""}
	// problemNoUser is what the user route says to an anonymous caller.
	problemNoUser = problem{http.StatusUnauthorized, "invalid_token", "Requires authentication", `"session_required": false, `}
	problemQuery  = problem{http.StatusBadRequest, "invalid_request",
		"namespace, starred or public are required for this API call", ""}
)

// sendProblem answers with shape A.
func sendProblem(w http.ResponseWriter, r *http.Request, p problem) {
	sendJSON(w, r, p.status, func(b []byte) []byte {
		b = append(append(b, '{'), p.more...)
		b = appendText(append(b, `"detail": `...), p.detail)
		b = appendText(append(b, `, "error_message": `...), p.detail)
		b = appendText(append(b, `, "error_type": `...), p.kind)
		b = appendText(append(b, `, "title": `...), p.kind)
		b = appendText(append(b, `, "type": `...), origin(r)+"/api/v1/error/"+p.kind)
		return appendNumber(append(b, `, "status": `...), int64(p.status), "}")
	})
}

// sendRefusal answers with shape B: JSON, said to be HTML.
func sendRefusal(w http.ResponseWriter, r *http.Request, status int, text string) {
	b := append(appendText([]byte(`{"error": `), text), '}')
	sendBytes(w, r, status, htmlType, b)
}

// sendMessage answers with shape C.
func sendMessage(w http.ResponseWriter, r *http.Request, status int, text string) {
	sendJSON(w, r, status, func(b []byte) []byte {
		return append(appendText(append(b, `{"message": `...), text), '}')
	})
}

// sendBadArgument answers with the form of shape C that a parameter gets
// which is no number: an object of its name and description.
func sendBadArgument(w http.ResponseWriter, r *http.Request, name, description string) {
	sendJSON(w, r, http.StatusBadRequest, func(b []byte) []byte {
		b = appendText(append(b, `{"message": {`...), name)
		return append(appendText(append(b, ": "...), description), "}}"...)
	})
}

// sendCrash answers as the application server does to an exception that
// nobody caught.
func sendCrash(w http.ResponseWriter, r *http.Request) {
	sendBytes(w, r, http.StatusInternalServerError, "text/html", []byte(gunicornPage(http.StatusInternalServerError)))
}

// sendLineTooLong answers as the application server does to a request line
// that it does not take: 400, and a page (doc/quay-api.md section 3, shape E).
func sendLineTooLong(w http.ResponseWriter, r *http.Request) {
	sendBytes(w, r, http.StatusBadRequest, "text/html", []byte(gunicornPage(http.StatusBadRequest)))
}

// notFoundMessage is the framework's own for a route that gives up with 404.
const notFoundMessage = "The requested URL was not found on the server. " +
	"If you entered the URL manually please check your spelling and try again."

// nulMessage is the database's complaint about a NUL in a text
// (recording tag-odd-names).
const nulMessage = "A string literal cannot contain NUL (0x00) characters."

// origin gives the server's own address as the request's sender knows it, for
// absolute links (doc/quay-api.md section 2, "URL form").
func origin(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	return scheme + r.Host
}

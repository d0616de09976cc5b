// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "net/http"

// The REST API's errors have four shapes (doc/quay-api.md section 3): problem
// JSON (A), {"error": TEXT} sent as HTML (B), {"message": TEXT or object} (C),
// and HTML pages (E).

// HTML is the content type of Quay's own pages and of shape B.
const HTML = "text/html; charset=utf-8"

// A Problem is an error of shape A.
type Problem struct {
	Status int
	Type   string // error_type
	Detail string
	Extra  string // further members, as JSON text that ends in ", "
}

// The problems that Quay answers with.
var (
	Unauthenticated = Problem{http.StatusUnauthorized, "invalid_token", "Requires authentication", ""}
	Forbidden       = Problem{http.StatusForbidden, "insufficient_scope", "Unauthorized", ""}
	NotFound        = Problem{http.StatusNotFound, "not_found", "Not Found", ""}
	// NoUser is the answer of the user route to an anonymous caller.
	NoUser = Problem{http.StatusUnauthorized, "invalid_token", "Requires authentication", `"session_required": false, `}
	// NothingToList is the answer to a listing of neither a namespace nor public
	// or starred repositories.
	NothingToList = Problem{http.StatusBadRequest, "invalid_request",
		"namespace, starred or public are required for this API call", ""}
)

// SendProblem answers with shape A.
func SendProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	JSON(w, r, p.Status, func(b []byte) []byte {
		b = append(append(b, '{'), p.Extra...)
		b = AppendString(append(b, `"detail": `...), p.Detail)
		b = AppendString(append(b, `, "error_message": `...), p.Detail)
		b = AppendString(append(b, `, "error_type": `...), p.Type)
		b = AppendString(append(b, `, "title": `...), p.Type)
		b = AppendString(append(b, `, "type": `...), Origin(r)+"/api/v1/error/"+p.Type)
		return AppendInt(append(b, `, "status": `...), int64(p.Status), "}")
	})
}

// SendError answers with shape B: JSON that is labelled HTML.
func SendError(w http.ResponseWriter, r *http.Request, status int, text string) {
	b := append(AppendString([]byte(`{"error": `), text), '}')
	Send(w, r, status, HTML, b)
}

// SendMessage answers with shape C.
func SendMessage(w http.ResponseWriter, r *http.Request, status int, text string) {
	JSON(w, r, status, func(b []byte) []byte {
		return append(AppendString(append(b, `{"message": `...), text), '}')
	})
}

// SendBadNumber answers for a parameter that is not a number. It is the form of
// shape C whose message is an object of the parameter's name and description.
func SendBadNumber(w http.ResponseWriter, r *http.Request, name, description string) {
	JSON(w, r, http.StatusBadRequest, func(b []byte) []byte {
		b = AppendString(append(b, `{"message": {`...), name)
		return append(AppendString(append(b, ": "...), description), "}}"...)
	})
}

// SendCrash answers as the application server does after an uncaught exception.
func SendCrash(w http.ResponseWriter, r *http.Request) {
	Send(w, r, http.StatusInternalServerError, "text/html", []byte(GunicornPage(http.StatusInternalServerError)))
}

// SendLineTooLong answers as the application server does to a request line that
// is too long for it (doc/quay-api.md section 3, shape E).
func SendLineTooLong(w http.ResponseWriter, r *http.Request) {
	Send(w, r, http.StatusBadRequest, "text/html", []byte(GunicornPage(http.StatusBadRequest)))
}

// SendMethodNotAllowed answers 405 with the framework's own page (recording
// registry-blob).
func SendMethodNotAllowed(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", allowed)
	Send(w, r, http.StatusMethodNotAllowed, HTML, []byte("<!doctype html>\n<html lang=en>\n"+
		"<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n<p>The method is not allowed for the requested URL.</p>\n"))
}

const (
	// NoSuchURL is the framework's message of a route that ends with 404.
	NoSuchURL = "The requested URL was not found on the server. " +
		"If you entered the URL manually please check your spelling and try again."
	// NULByte is the database's complaint about a NUL in a text (recording
	// tag-odd-names).
	NULByte = "A string literal cannot contain NUL (0x00) characters."
	// ReadMethods are the methods, as Allow lists them, of a route that changes
	// nothing.
	ReadMethods = "HEAD, GET, OPTIONS"
)

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// GunicornPage returns a page of the application server, which both APIs use.
// Status 500 is the page while Quay's database is down (recording
// outage-database).
func GunicornPage(status int) string {
	title := http.StatusText(status)
	return "<html>\n  <head>\n    <title>" + title + "</title>\n  </head>\n  <body>\n" +
		"    <h1><p>" + title + "</p></h1>\n    \n  </body>\n</html>\n"
}

// SendNginx sends one of nginx's own pages. Most of them have no detail.
func SendNginx(w http.ResponseWriter, status int, title, heading, detail string) {
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + heading + "</h1></center>\r\n"
	if detail != "" {
		body += "<center>" + detail + "</center>\r\n"
	}
	SendText(w, status, "text/html", body+"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
}

// SendText sends a whole answer of the front end. An empty contentType sends
// no Content-Type.
func SendText(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// SendContent sends n bytes of content, or only their length to a HEAD request.
func SendContent(w http.ResponseWriter, r *http.Request, status int, content io.Reader, n int64) {
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, content) // the client may leave
	}
}

// LoadingPage is the page of Quay's front end while no backend answers
// (static/502.html in Quay's source; recording outage-backend has its length).
// Before v3.18 the front end did not find the page and answered with nginx's 404
// (doc/quay-api.md section 3).
const LoadingPage = `<html>
  <head>
    <title>Quay Loading</title>
    <style type="text/css">
      .information {
         padding: 30px;
         text-align: center;
      }

      .information h3 {
         margin-bottom: 20px;
      }
    </style>
  </head>
  <body>
    <div class="information">
      <h3>Quay is currently loading</h3>
      <h4>
        <p>Please wait and refresh the page shortly to try again.</p>
      </h4>
    </div>
  </body>
</html>
`

// NoCache is the Cache-Control of pages and tokens.
const NoCache = "no-cache, no-store, must-revalidate"

// SendPage answers with an error page of the web interface. Quay sends its whole
// web interface; this page is short.
func SendPage(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Cache-Control", NoCache)
	text := http.StatusText(status)
	Send(w, r, status, HTML, []byte("<!DOCTYPE html>\n<html>\n<head><title>"+strconv.Itoa(status)+" "+text+"</title></head>\n<body>"+text+"</body>\n</html>\n"))
}

// Redirect sends the client to another path of this server with the same query.
func Redirect(w http.ResponseWriter, r *http.Request, path string) {
	to := Origin(r) + (&url.URL{Path: path}).EscapedPath()
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	RedirectTo(w, r, http.StatusPermanentRedirect, to)
}

// RedirectTo sends the client to a URL, with the page that Quay's framework adds.
func RedirectTo(w http.ResponseWriter, r *http.Request, status int, to string) {
	w.Header().Set("Location", to)
	to = html.EscapeString(to)
	Send(w, r, status, HTML, []byte("<!doctype html>\n<html lang=en>\n"+
		"<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be redirected automatically to the target URL: "+
		`<a href="`+to+`">`+to+"</a>. If not, click the link.\n"))
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"io"
	"net/http"
	"strconv"
)

// gunicornPage is a page of the application server's own, on both APIs: such
// as 500 when Quay's database is down (recording outage-database).
func gunicornPage(status int) string {
	title := http.StatusText(status)
	return "<html>\n  <head>\n    <title>" + title + "</title>\n  </head>\n  <body>\n" +
		"    <h1><p>" + title + "</p></h1>\n    \n  </body>\n</html>\n"
}

// sendNginx sends one of nginx's own pages: title, heading, and a line of
// detail that most of them lack.
func sendNginx(w http.ResponseWriter, status int, title, heading, detail string) {
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + heading + "</h1></center>\r\n"
	if detail != "" {
		body += "<center>" + detail + "</center>\r\n"
	}
	send(w, status, "text/html", body+"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
}

// send sends a whole answer. An empty body may do without a contentType.
func send(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// headerBuffer is the size of one of nginx's large_client_header_buffers, into
// which a request line and each header line have to fit. The application
// server behind nginx takes a shorter request line than that, counted without
// its end (doc/quay-api.md section 6, "sizes").
const (
	headerBuffer    = 8 << 10
	gunicornLineMax = 4094
)

// requestLine gives the length of the request line, without its end. Over
// HTTP/2 it is that of the line which nginx hands on.
func requestLine(r *http.Request) int {
	return len(r.Method) + len(r.RequestURI) + len("  HTTP/1.1")
}

// tooLong refuses a request line or a header line that does not fit nginx's
// buffer: 414, and 400 (doc/quay-api.md section 6, recording http-long). So a
// registry token for too many repositories, or a long cursor, fails here as it
// does there. Over HTTP/2 it is not recorded, and taken to be the same.
func tooLong(w http.ResponseWriter, r *http.Request) bool {
	if requestLine(r)+len("\r\n") > headerBuffer {
		const title = "414 Request-URI Too Large"
		sendNginx(w, http.StatusRequestURITooLong, title, title, "")
		return true
	}
	for name, values := range r.Header {
		for _, v := range values {
			if len(name)+len(v)+len(": \r\n") > headerBuffer {
				const detail = "Request Header Or Cookie Too Large"
				sendNginx(w, http.StatusBadRequest, "400 "+detail, "400 Bad Request", detail)
				return true
			}
		}
	}
	return false
}

// refuse answers 429: nginx's page without Retry-After (recording
// limit-http1), unless a quirk makes it a proxy's.
func (f *front) refuse(w http.ResponseWriter) {
	if f.retryAfter != "" {
		w.Header().Set("Retry-After", f.retryAfter)
	}
	if f.empty429 {
		w.Header().Set("X-Envoy-Ratelimited", "true")
		send(w, http.StatusTooManyRequests, "", "")
		return
	}
	const title = "429 Too Many Requests"
	sendNginx(w, http.StatusTooManyRequests, title, title, "")
}

// loadingPage is the page of Quay's front end when nothing answers behind it
// (static/502.html of Quay's source; recording outage-backend has its length).
// Before v3.18 the front end did not find it, and answered with nginx's 404
// (doc/quay-api.md section 3).
const loadingPage = `<html>
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

// fail answers with the page of a part that is down.
func (f *front) fail(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusTooManyRequests:
		f.refuse(w)
	case http.StatusInternalServerError:
		send(w, status, "text/html", gunicornPage(status))
	case http.StatusBadGateway:
		send(w, status, "text/html", loadingPage)
	case http.StatusServiceUnavailable: // Envoy's, inferred (doc/quay-api.md section 6)
		send(w, status, "text/plain", "upstream connect error or disconnect/reset before headers")
	case http.StatusGatewayTimeout:
		sendNginx(w, status, "504 Gateway Time-out", "504 Gateway Time-out", "")
	default:
		title := strconv.Itoa(status) + " " + http.StatusText(status)
		sendNginx(w, status, title, title, "")
	}
}

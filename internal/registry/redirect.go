// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/quayside/quayside/internal/transport"
)

const maxRedirects = 5

// follow follows the redirects of an answer. Requests to the origin home carry the
// credentials that send adds. Requests to another origin, and all redirects after it,
// carry none. A redirect from https to http is refused. A new request keeps only the
// header fields that describe content.
//
// GET and HEAD follow every redirect. Other methods follow 307 and 308, which repeat
// the request with its body (RFC 9110, section 15.4). A Quay redirects requests for
// blobs to object storage (doc/quay-api.md, "Recorded").
func (r *Registry) follow(req *http.Request, answer *reply, home string, send func(req *http.Request, crossOrigin bool) (*reply, error)) (*reply, error) {
	at, crossOrigin := req.URL, answer.crossOrigin
	for hop := 0; isRedirect(answer.Response); hop++ {
		to, err := r.next(at, answer.Response)
		status := answer.StatusCode
		closeBody(answer.Response)
		switch {
		case err != nil:
		case hop == maxRedirects:
			err = fmt.Errorf("more than %d redirects, the last to %q", maxRedirects, r.hide.Line(to.Host))
		case !repeats(req.Method, status):
			remedy := "use the name that it redirects to"
			if transport.Origin(to) == home {
				remedy = "the registry redirects to itself, and must use 307 or 308 so that the request is repeated"
			}
			err = fmt.Errorf("redirect to %q with %d, which does not repeat a %s: %s", r.hide.Line(to.Host), status, req.Method, remedy)
		}
		if err != nil {
			return nil, &Error{Err: err, kind: ErrRedirect}
		}
		crossOrigin = crossOrigin || transport.Origin(to) != home
		again, err := again(req, to)
		if err != nil {
			return nil, err
		}
		if answer, err = send(again, crossOrigin); err != nil {
			return nil, err
		}
		answer.crossOrigin, at = crossOrigin, to
	}
	return answer, nil
}

// repeats reports whether a redirect repeats the request with its method and body.
func repeats(method string, status int) bool {
	return method == http.MethodGet || method == http.MethodHead ||
		status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

// again returns the request to send to the target of a redirect.
func again(req *http.Request, to *url.URL) (*http.Request, error) {
	next, err := http.NewRequestWithContext(req.Context(), req.Method, to.String(), nil)
	if err != nil {
		return nil, &Error{Err: errors.New("redirect to an invalid address"), kind: ErrRedirect}
	}
	for _, key := range []string{"Accept", "Accept-Encoding", "Range", "Content-Type", "Content-Range"} {
		if values := req.Header.Values(key); len(values) > 0 {
			next.Header[key] = values
		}
	}
	if req.Body == nil || req.Body == http.NoBody {
		return next, nil
	}
	whole, err := transport.Resend(req)
	if err != nil {
		return nil, err
	}
	next.Body = whole.Body
	next.GetBody, next.ContentLength = req.GetBody, req.ContentLength
	return next, nil
}

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// next returns the target of a redirect, or an error if the target is not allowed. The
// error names only the host, because the rest of a signed address is a secret.
func (r *Registry) next(from *url.URL, resp *http.Response) (*url.URL, error) {
	location := resp.Header.Get("Location")
	to, err := from.Parse(location)
	switch {
	case location == "" || err != nil || to.Host == "":
		return nil, errors.New("redirect without an address")
	case to.User != nil:
		return nil, fmt.Errorf("redirect to %q with a password in the address", r.hide.Line(to.Host))
	case to.Scheme != "https" && to.Scheme != "http":
		return nil, fmt.Errorf("redirect to the scheme %q", r.hide.Line(to.Scheme))
	case from.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("redirect from https to http, on %q", r.hide.Line(to.Host))
	}
	to.Fragment = ""
	return to, nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const maxRedirects = 5

// follow follows the redirects of an answer: within home, which is a scheme,
// host and port, with the credentials that send adds, and anywhere else without.
// A new request has no more of the first one's header than what says which
// content is wanted or sent. Once on another origin, always without credentials. From https to http nothing
// goes.
//
// GET and HEAD follow every redirect, and anything else only one that repeats
// the request as it is, with its body (307 and 308: RFC 9110, section 15.4). An
// answer that is a redirect to object storage is what a Quay gives for a blob
// (doc/quay-api.md, "Recorded").
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
			if originOf(to) == home {
				remedy = "it redirects to itself, and to repeat the request it has to do so with 307 or 308"
			}
			err = fmt.Errorf("redirect to %q with %d, which does not repeat a %s: %s", r.hide.Line(to.Host), status, req.Method, remedy)
		}
		if err != nil {
			return nil, &Error{Err: err, kind: ErrRedirect}
		}
		crossOrigin = crossOrigin || originOf(to) != home
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

// repeats tells whether a redirect repeats a request as it is.
func repeats(method string, status int) bool {
	return method == http.MethodGet || method == http.MethodHead ||
		status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

// again makes the request that goes where a redirect leads.
func again(req *http.Request, to *url.URL) (*http.Request, error) {
	next, err := http.NewRequestWithContext(req.Context(), req.Method, to.String(), nil)
	if err != nil {
		return nil, &Error{Err: errors.New("redirect to an address that is none"), kind: ErrRedirect}
	}
	for _, key := range []string{"Accept", "Accept-Encoding", "Range", "Content-Type", "Content-Range"} {
		if values := req.Header.Values(key); len(values) > 0 {
			next.Header[key] = values
		}
	}
	if req.Body == nil || req.Body == http.NoBody {
		return next, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("the body cannot be sent again")
	}
	if next.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
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

// next reads where a redirect leads, if one may go there. Its text names hosts
// and no more: the rest of a signed address is a secret.
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

// originOf returns scheme://host of a URL, with a port unless it is the
// scheme's own, in lower case.
func originOf(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	switch {
	case port != "" && !(scheme == "https" && port == "443" || scheme == "http" && port == "80"):
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return scheme + "://" + host
}

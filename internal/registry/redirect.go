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

// follow goes after the redirects of a GET or HEAD: within the registry with
// its credentials, and anywhere else by a new request that has none, and has
// no more of the first one's header than what says which content is wanted. Once
// away, always away. From https to http nothing goes.
//
// An answer that is a redirect to object storage is what a Quay gives for a
// blob (doc/quay-api.md, "Recorded").
func (r *Registry) follow(req *http.Request, resp *http.Response, n need) (_ *http.Response, away bool, err error) {
	at := req.URL
	for hop := 0; isRedirect(resp); hop++ {
		to, err := r.next(at, resp)
		closeBody(resp)
		if err == nil && hop == maxRedirects {
			err = fmt.Errorf("more than %d redirects, the last to %q", maxRedirects, r.secrets.tidy(to.Host))
		}
		if err != nil {
			return nil, false, &Error{Err: err, kind: ErrRedirect}
		}
		away = away || originOf(to) != r.origin
		again, err := http.NewRequestWithContext(req.Context(), req.Method, to.String(), nil)
		if err != nil {
			return nil, false, &Error{Err: errors.New("redirect to an address that is none"), kind: ErrRedirect}
		}
		for _, key := range []string{"Accept", "Accept-Encoding", "Range"} {
			if values := req.Header.Values(key); len(values) > 0 {
				again.Header[key] = values
			}
		}
		if away {
			resp, err = r.plainly(again)
		} else {
			resp, err = r.authorized(again, n)
		}
		if err != nil {
			return nil, away, err
		}
		at = to
	}
	return resp, away, nil
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
		return nil, fmt.Errorf("redirect to %q with a password in the address", r.secrets.tidy(to.Host))
	case to.Scheme != "https" && to.Scheme != "http":
		return nil, fmt.Errorf("redirect to the scheme %q", r.secrets.tidy(to.Scheme))
	case from.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("redirect from https to http, on %q", r.secrets.tidy(to.Host))
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

// A readable transport takes a Location away that is no address: net/http
// would make an error of it that has all of it in its text.
type readable struct{ base http.RoundTripper }

func (s readable) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.base.RoundTrip(req)
	if err == nil && isRedirect(resp) {
		if _, err := req.URL.Parse(resp.Header.Get("Location")); err != nil {
			resp.Header.Del("Location")
		}
	}
	return resp, err
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"strings"
)

// do sends a request to the registry with the rights it needs, and follows
// redirects of GET and HEAD. away tells that the answer is of another host.
// The caller closes the answer's body.
func (r *Registry) do(req *http.Request, n need) (resp *http.Response, away bool, err error) {
	if originOf(req.URL) != r.origin {
		// An upload that is to go elsewhere: no credential goes there.
		resp, err = r.plainly(req)
		return resp, true, err
	}
	resp, err = r.authorized(req, n)
	if err != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return resp, false, err
	}
	return r.follow(req, resp, n)
}

// plainly sends a request as it is, which has no credential.
func (r *Registry) plainly(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", r.userAgent)
	return r.transport.RoundTrip(req)
}

// orasClient lets oras' repository send its requests this way.
type orasClient struct {
	registry   *Registry
	repository string
}

// Do implements remote.Client. oras has addresses in its errors: of one elsewhere,
// which can be a signed one, it gets to see no parameters. A 404 that is a page
// it would take for a registry's word that there is nothing.
func (c orasClient) Do(req *http.Request) (*http.Response, error) {
	n := need{repository: c.repository}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		n.push = true
	}
	resp, away, err := c.registry.do(req, n)
	if err != nil {
		return nil, err
	}
	// Where there is no list of referrers, a page may well be what says so.
	if resp.StatusCode == http.StatusNotFound && isPage(resp) && !strings.Contains(req.URL.Path, "/referrers/") {
		defer closeBody(resp)
		return nil, c.registry.refused("", "", resp)
	}
	if away {
		shown := *resp.Request.URL
		shown.RawQuery = ""
		resp.Request = resp.Request.WithContext(req.Context())
		resp.Request.URL = &shown
	}
	return resp, nil
}
